#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# The fuzz targets without a fuzzer: every seed of t/fuzz/corpus and, from
# each, changed ones. `make fuzz` looks for new trouble; here old trouble is
# kept away. Then some changed requests for a running httpd, of which `make
# fuzz-live` (DRS_LIVE=N: nothing else) sends many to one with sanitizers.
use strict;
use warnings;

use File::Temp qw(tempdir);
use FindBin;
use lib "$FindBin::Bin/lib", "$FindBin::Bin/fuzz";
use Live;
use Test::More;

# Statuses that changed requests may have where Redis is there: 500 is what
# httpd makes of a backend's header that is none.
my $status = qr/^(?:200|201|204|301|4\d\d|500|501|502)$/;

sub send_raw {
    my ($n) = @_;
    DRS::needs(qw(proxy proxy_http));
    my %sum = Live::run($n, 2);
    my %by = %{ $sum{status} };
    cmp_ok($sum{answered}, '>=', $n, "$sum{answered} requests were answered");
    is("@{ $sum{log} }", '', 'no child died, no sanitizer spoke');
    is("@{ $sum{foreign} }", '', "$sum{keys} keys in Redis, all of our form");
    is(scalar @{ $sum{denied} }, 0, 'no command reached for another key')
        or diag(explain($sum{denied}));
    is(join(' ', grep { !/$status/ } sort keys %by), '',
       'every status is one that may be');
    ok(!grep({ !$by{$_} } 200, 201, 204, 400, 403, 404, 502) && $sum{keys},
       'and requests went all the ways there are');
    note(sprintf '%.0f s; %s', $sum{seconds},
         join ', ', map { "$_: $by{$_}" } sort keys %by);
    done_testing;
}

if ($ENV{DRS_LIVE}) {
    send_raw($ENV{DRS_LIVE});
    exit;
}

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
    ok(@seeds && @seeds <= 120 && !@large, "$target: its seeds are few and "
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
cmp_ok($total, '<', 200 * 1024, 'all seeds together are under 200 KB');

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

subtest 'changed requests harm no running httpd' => sub {
    send_raw($ENV{DRS_VALGRIND} ? 500 : 3000);
};

done_testing;
