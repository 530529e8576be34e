#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# The same short life under every MPM, over TCP (by address and by name) and a
# unix socket, with some clients at once and a graceful restart in between.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/lib";
use DRS;
use Test::More;

needs();
my $redis = start_redis();

sub live {
    my ($httpd) = @_;
    my $jar = jar();
    my $run = sub { $httpd->drs({ jar => $jar }, @_) };
    is $run->('get a'), 'notfound', 'nothing yet';
    is $redis->cmd('DBSIZE'), 0, 'and no key';
    is_deeply [$run->('set a {"b":1}', 'incr n 2', 'get a', 'add a 1')],
        ['ok', 'ok 2', 'ok {"b":1}', 'exists'], 'within one request';
    is_deeply [$run->('get a', 'incr n 1', 'count')],
        ['ok {"b":1}', 'ok 3', 'ok 2'], 'and in the next';
    my $old = $jar->id;
    is $run->('regenerate'), 'ok', 'regenerate';
    is $redis->cmd('EXISTS', "drsession:$old"), 0, 'the old id is dead';
    is_deeply [sort split / /, join ' ', parallel(4, sub {
        my $own = $jar->copy;
        my @n = map { $httpd->drs({ jar => $own }, 'incr n 1') } 1 .. 25;
        return scalar(grep { /^ok \d+$/ } @n) . '';
    })], [('25') x 4], 'four clients at once';
    is $run->('get_int n'), 'ok 103', 'none is lost';
    ok $httpd->graceful, 'a graceful restart';
    is $run->('get_int n'), 'ok 103', 'the session is there';
    is $run->('destroy'), 'ok', 'destroy';
    is $redis->cmd('DBSIZE'), 0, 'and no key is left';
}

for my $mpm (qw(prefork worker event)) {
    for my $kind (qw(unix tcp), $mpm eq 'event' ? 'name' : ()) {
        subtest "a_life_under_${mpm}_over_$kind" => sub {
            plan skip_all => "httpd has no mpm_$mpm"
                unless -e DRS::Httpd::libexec() . "/mod_mpm_$mpm.so"
                || DRS::Httpd::is_compiled_in($mpm);
            plan skip_all => 'localhost has no address on this system'
                if $kind eq 'name' && !gethostbyname 'localhost';
            my $httpd = start_httpd(mpm => $mpm, redis => $redis,
                kind => $kind, conf => "DRSession On\nDRSessionIdle 1h\n");
            live($httpd);
            error_log_is_clean($httpd);
            $httpd->stop;
        };
        $redis->cmd('FLUSHALL');
    }
}
done_testing;
