#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# The short form of `make soak`: graceful restarts, with Redis restarted in
# between, while clients work. No request fails, no increment is lost, and
# between restarts everything is back where it was.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/lib";
use DRS;
use DRS::Soak;
use Test::More;
use Time::HiRes qw(sleep);

needs('include');

sub restart {
    my ($soak, $n, $redis) = @_;
    for my $i (1 .. $n) {
        $soak->resume;
        sleep 0.3;
        $soak->graceful;
        sleep 0.5;
        $soak->restart_redis if $i <= $redis;
        sleep 0.5;
        $soak->pause;
        $soak->rest($i <= $redis ? 'both' : 'graceful');
    }
}

for my $mpm (qw(event prefork)) {
    subtest "graceful_restarts_of_${mpm}_under_load" => sub {
        my $soak = DRS::Soak->new(mpm => $mpm);
        my $n = $mpm eq 'event' ? 5 : 3;
        restart($soak, $n, 2);
        my $sum = $soak->finish;
        is_deeply [map { "$_->[1]: $_->[2]" } @{ $sum->{failed} }], [],
            'no request fails';
        cmp_ok $sum->{done}, '>', 100, 'and there were some';
        ok !grep({ !$sum->{by}{$_} } qw(static c rest ssi cgi header)),
            'through all doors';
        is_deeply [$soak->odd], [], 'descriptors and connections are back';
        note "$sum->{done} requests, $sum->{repeats} repeated, $sum->{cgid} "
            . "lost by mod_cgid, $sum->{away} while Redis was away";
        error_log_is_clean($soak->{httpd}, qr/\[cgid:error\]/,
            qr/\[drsession:error\]/, qr/Lua error: (?:down|unsure): /);
        $_->stop for $soak->{httpd}, $soak->{redis};
    };
}
done_testing;
