#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# DRSessionChildAccess and the command drsession: a CGI program works on the
# session of its request by itself, under mod_cgi and under mod_cgid.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/lib";
use DRS;
use JSON::PP;
use Test::More;
use Time::HiRes qw(sleep);

needs(qw(include headers setenvif rewrite));
my $command = ($ENV{DRS_BUILD} // 'build') . '/drsession';
$command = "$FindBin::Bin/../$command" unless -x $command;
plan skip_all => 'the command drsession is not built' unless -x $command;

# A program that does what the request's body says.
my $shell = <<'CGI';
#!/bin/sh
PATH=${0%/*}:$PATH
printf 'Content-Type: text/plain\r\n\r\n'
script=$(cat)
{ eval "$script"; } 2>&1
CGI

my $redis = start_redis();

sub slurp {
    my ($name) = @_;
    open my $in, '<:raw', $name or die "$name: $!";
    local $/;
    return scalar readline $in;
}

sub start {
    my ($mpm, $conf, %opt) = @_;
    return start_httpd(mpm => $mpm, redis => $redis,
        cgi => { sh => $shell, drsession => slurp($command) },
        conf => "DRSession On\nDRSessionIdle 1h\n"
            . "<Location /cgi>\n    DRSessionChildAccess On\n</Location>\n"
            . ($conf // ''), %opt);
}

our $httpd;
our $jar;

# What a program says: its output, or the status of a failed request.
sub sh {
    my ($script, %opt) = @_;
    my $r = $httpd->request('POST', $opt{path} // '/cgi/sh', jar => $jar,
        headers => $opt{headers} // [], body => $script);
    return "http:$r->{status}" if $r->{status} != 200;
    return $r->{body} =~ s/\n\z//r;
}

# The exit code of a command, and what it wrote.
sub code {
    my ($script, %opt) = @_;
    my $said = sh("{ $script; }; echo \" exit \$?\"", %opt);
    my ($out, $code) = $said =~ /\A(.*) exit (\d+)\z/s
        or return wantarray ? (undef, $said) : undef;
    return wantarray ? ($code, $out =~ s/\n\z//r) : $code;
}

sub key { 'drsession:' . $jar->id }

sub works_in {
    my ($mpm) = @_;
    local $httpd = start($mpm);
    subtest "first_write_by_the_child under $mpm" => sub {
        local $jar = jar();
        is sh('drsession -s set user "ann o\'hara"; echo $?'), 0, 'written';
        ok defined $jar->id, 'the cookie was sent';
        is sh('drsession get user'), '"ann o\'hara"',
            'found in the next request';
        is $httpd->drs({ jar => $jar }, 'get user'), 'ok "ann o\'hara"',
            'by a module too';
        my $ttl = $redis->cmd('PTTL', key());
        ok $ttl > 3_500_000 && $ttl <= 3_600_000, 'with its expiry';
    };
    return;
}

works_in($_) for qw(prefork event);
done_testing;
