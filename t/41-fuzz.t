#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# The fuzz targets without a fuzzer: every seed of t/fuzz/corpus and, from
# each, changed ones. `make fuzz` looks for new trouble; here old trouble is
# kept away.
use strict;
use warnings;

use File::Temp qw(tempdir);
use FindBin;
use Test::More;

chdir "$FindBin::Bin/.." or die "no root: $!";
my $build = $ENV{DRS_BUILD} || 'build';
my @targets = map { m{/fuzz_(\w+)\.c$} } sort glob 't/fuzz/fuzz_*.c';

# What a target says, and how it ends.
sub replay {
    my @command = @_;
    my $said = qx{@command 2>&1};
    return ($? >> 8 || $? & 127, $said);
}

my $total = 0;
for my $target (@targets) {
    my @seeds = glob "t/fuzz/corpus/$target/*";
    my @large = grep { -s $_ > 4096 } @seeds;
    $total += -s $_ for @seeds;
    ok(@seeds && @seeds <= 60 && !@large, "$target: its seeds are few and "
       . 'small') or diag(scalar(@seeds) . ' seeds', map { "\n$_" } @large);

    if ($target =~ /^lua_/ && !-x "$build/fuzz_$target") {
        SKIP: { skip "$target: no headers of mod_lua's Lua here", 1 }
        next;
    }
    my ($code, $said) = replay("$build/fuzz_$target",
                               "t/fuzz/corpus/$target");
    my ($seeds) = $said =~ /^ok 1 - .* (\d+) of them$/m;
    my ($runs) = $said =~ /^ok 2 - .* (\d+) of them$/m;
    ok(!$code && $seeds && $runs && $seeds == @seeds && $runs >= 10_000,
       "$target: " . ($seeds // 0) . ' seeds and ' . ($runs // 0)
       . ' changed ones hold') or diag($said);
}
ok(@targets > 1, 'there are targets');
cmp_ok($total, '<', 500 * 1024, 'all seeds together are under 500 KB');

my %orphans = map { $_ => 1 } map { m{([^/]+)$} } glob 't/fuzz/corpus/*';
delete @orphans{@targets};
is("@{[sort keys %orphans]}", '', 'there are no seeds without a target');

my $seeds = tempdir(CLEANUP => 1);
open my $out, '>', "$seeds/nearly" or die $!;
print $out 'dea d';
close $out or die $!;
my ($code, $said) = replay("$build/canary", $seeds);
ok($code, 'a claim that does not hold is found');
like($said, qr/not true: strstr/, 'and is told');
my ($hex) = $said =~ /^# the input, as hex: ([0-9a-f]+)$/m;
like(pack('H*', $hex // ''), qr/dead/, 'and its input is shown');

done_testing;
