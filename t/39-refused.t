#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# A cookie that is refused is logged while the session is being opened, in a
# log that shows the session's name with each line.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/lib";
use DRS;
use Test::More;

needs();
my $redis = start_redis();
my $httpd = start_httpd(redis => $redis, conf => <<'CONF');
LogLevel drsession:debug
ErrorLogFormat "[%m:%l] <%-S> %M"
DRSession On
CONF
my ($one, $other) = ('a' x 44, 'b' x 44);
is scalar($httpd->drs({ headers => { Cookie => "drsession=$one; drsession=$other" } },
    'get a')), 'notfound', 'two cookies that differ are no session';
like $httpd->error_log, qr/^\[drsession:debug\] <-> .*two that differ: no session/m,
    'which is logged, without a name';
my $jar = jar();
$httpd->drs({ jar => $jar }, 'set a 1');
is scalar($httpd->drs({ jar => $jar }, 'get a')), 'ok 1', 'httpd is well';
error_log_is_clean($httpd);
done_testing;
