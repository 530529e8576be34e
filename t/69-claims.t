#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# docs/security.md claims only what a test shows: each one that it names is
# there, and no threat or requirement is without a word on it.
use strict;
use warnings;
use FindBin;
use Test::More;

my $root = "$FindBin::Bin/..";

sub slurp {
    open my $in, '<:raw', $_[0] or return undef;
    local $/;
    return scalar readline $in;
}

# The tests that a text names, and what is wrong with them.
sub claims { return $_[0] =~ /`(t\/[\w.\/-]+: [^`]+)`/g }

sub objections {
    my ($text) = @_;
    my @bad;
    for my $claim (claims($text)) {
        my ($file, $name) = split /: /, $claim, 2;
        my $test = slurp("$root/$file");
        push @bad, "$file is not there" and next unless defined $test;
        push @bad, "$claim is not there"
            unless $test =~ /(?<!\w)\Q$name\E(?!\w)/;
    }
    return @bad;
}

my $doc = slurp("$root/docs/security.md") // '';
my @claims = claims($doc);
cmp_ok scalar(@claims), '>', 80, scalar(@claims) . ' tests are named';
is join("\n", objections($doc)), '', 'each of them is there';
is scalar(objections('`t/none.t: x`, `t/60-threats.t: no_such_test`')), 2,
    'and this gate can shut';

# The rows of both tables, by their number.
my %row = map { /^\| ([\w.]+) \|(.*)\|$/ ? ($1, $2) : () } split /\n/, $doc;
for my $n (1 .. 27) {
    my $text = $row{"T$n"} // '';
    ok claims($text) || $text =~ /by reasoning/,
        "T$n has a test, or says why not";
}
my @asvs = ((map { "7.1.$_" } 1 .. 3), (map { "7.2.$_" } 1 .. 4), '7.3.1',
    '7.3.2', (map { "7.4.$_" } 1 .. 5), (map { "7.5.$_" } 1 .. 3), '7.6.1',
    '7.6.2', (map { "3.3.$_" } 1 .. 5));
for my $n (@asvs) {
    my $text = $row{$n} // '';
    my $whose = (split /\|/, $text)[1] // '';
    ok $whose =~ /application|administrator/
        || $whose =~ /module|both/ && claims($text),
        "$n of ASVS has a test, or is another's duty";
}
done_testing;
