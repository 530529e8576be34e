#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# A child that lives long: many verbs in one request, many requests on one
# connection. Results belong to the caller's pool; what a verb needs besides
# is given back when it returns. DRS_MANY=30 makes it 100,000 requests.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/lib";
use DRS;
use Test::More;

needs();
plan skip_all => 'a sanitizer keeps what is freed' if $ENV{DRS_PRELOAD};
my $many  = $ENV{DRS_MANY} // 1;
my $redis = start_redis();
my $httpd = start_httpd(redis => $redis, mpm => 'worker', servers => 1,
    threads => 1, conf => <<'CONF');
DRSession On
DRSessionIdle 1h
DRSessionTimeout connect=5s command=10s request=10min
<Location /session>
    SetHandler drsession
    DRSessionAllow read *
    DRSessionAllow write *
</Location>
CONF

# A line of /proc/PID/status of the only child that serves, in bytes.
sub size {
    my ($what) = @_;
    my $parent = $httpd->pid;
    my ($most) = sort { $b <=> $a } map {
        DRS::Httpd::slurp("/proc/$_/status") =~ /^\Q$what\E:\s+(\d+)/m
            ? $1 * 1024 : 0;
    } split ' ', DRS::Httpd::slurp("/proc/$parent/task/$parent/children");
    return $most;
}

my $jar = jar();
is $httpd->drs({ jar => $jar }, 'set n 1'), 'ok', 'a session';

subtest 'a_verb_leaves_nothing_in_the_pool_of_its_request' => sub {
    my @verbs = ('has n', 'get_int n', 'set n 5', 'incr n 1', 'add n 1',
        'count', 'del none');
    my $n = 2000 * $many;
    my $run = sub {
        my $r = $httpd->request('POST', '/drs', jar => $jar, timeout => 600,
            body => join '', map { "$_\n" } @_);
        is $r->{status}, 200, @_ . ' calls';
        unlike $r->{body}, qr/^(?:down|unsure)/m, 'all answered';
    };
    # What the guest needs for reading lines and answering them.
    $run->(('is_bound') x ($n * (@verbs + 2)));
    my $before = size('VmHWM');
    $run->((@verbs) x $n);
    my $each = (size('VmHWM') - $before) / ($n * @verbs);
    cmp_ok $each, '<', 24, 'bytes a verb';
    note sprintf '%.1f bytes a verb', $each;
};

subtest 'nor_a_request_in_its_child' => sub {
    my $pass = sub {
        my ($n) = @_;
        my $bad = 0;
        for my $i (1 .. $n) {
            my $r = $i % 3 ? $httpd->get('/session/n', jar => $jar)
                : $httpd->request('POST', '/session/n?incr=1', jar => $jar);
            $bad++ if $r->{status} != 200;
            $bad++ if $i % 50 == 0
                && $httpd->drs({ jar => $jar }, "set f$i {}", "pop f$i",
                    'all') !~ /\Aok \{/;
        }
        is $bad, 0, "$n requests";
    };
    $pass->(500);
    my $before = size('RssAnon');
    $pass->(3000 * $many);
    my $grown = size('RssAnon') - $before;
    cmp_ok $grown, '<', 128 * 1024, 'bytes in all';
    note "$grown bytes";
    is $httpd->client->{repeats} // 0, 0, 'all on one connection';
};

# One thread is all there is.
error_log_is_clean($httpd, qr/\bAH00286: /);
done_testing;
