#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# Headers of two places are two steps: where the second cannot be done the
# client is not asked to have the first done again.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/lib";
use DRS;
use Test::More;

needs();

my $redis = start_redis();
my $httpd = start_httpd(redis => $redis, conf => <<'CONF',
DRSession On
<Location /cgi>
    DRSessionHeader On
</Location>
<Location /cgi/second>
    DRSessionPrefix other:
    DRSessionCookie other
</Location>
CONF
    cgi => { first => <<'SH', second => <<'SH' });
#!/bin/sh
printf 'DRSession: incr n 1\r\nLocation: /cgi/second\r\n\r\n'
SH
#!/bin/sh
printf 'Content-Type: text/plain\r\nDRSession: incr m 1\r\n\r\nsecond'
SH
my $jar = jar();
$httpd->drs({ jar => $jar }, 'set n 0');
is $httpd->get('/cgi/first', jar => $jar)->{status}, 200, 'both are done';
is $httpd->drs({ jar => $jar }, 'get n'), 'ok 1', 'once';

my $user = $redis->{credentials} ? 'drs' : 'default';
$redis->cmd('ACL', 'SETUSER', $user, 'resetkeys', '~drsession:*');
my $r = $httpd->get('/cgi/first', jar => $jar);
is $r->{status}, 503, 'the second is refused';
is $httpd->drs({ jar => $jar }, 'get n'), 'ok 2', 'the first is done';
is header($r, 'Retry-After'), undef, 'who comes again would do it twice';
like $httpd->error_log, qr/DRSession failed, a part of it is done: /,
    'the log tells it';

$r = $httpd->get('/cgi/second', jar => $jar);
is header($r, 'Retry-After'), 1, 'where nothing is done one may come again';
error_log_is_clean($httpd, qr/sessions are down|DRSession failed/);
done_testing;
