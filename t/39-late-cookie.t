#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# A session may end when the headers are out. That its cookie ends is then
# told to nobody: who looks at the headers afterwards sees what was sent.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/lib";
use DRS;
use Test::More;

needs('lua');
my $redis = start_redis();
my $httpd = start_httpd(redis => $redis, start => 0, modules => ['lua'],
    docs => { 'log.lua' => <<'LUA' });
function log(r)
    -- Its name alone: an id is for no log.
    local cookie = r.headers_out["Set-Cookie"]
        or r.err_headers_out["Set-Cookie"]
    r:err("sent: " .. tostring(cookie):match("%w+"))
    return apache2.OK
end
LUA
my $dir = $httpd->dir;
$httpd->{conf} = "DRSession On\nLuaHookLog $dir/docs/log.lua log\n";
$httpd->start;

sub sent {
    my ($n) = @_;
    my @sent;
    wait_until(10, sub {
        @sent = $httpd->error_log =~ /sent: (\w+)/g;
        @sent == $n;
    });
    return $sent[-1];
}

my $jar = jar();
$httpd->drs({ jar => $jar }, 'set a 1');
is sent(1), 'drsession', 'the cookie of a new session';
is join(' ', $httpd->drs({ jar => $jar }, 'flush', 'destroy')), 'ok ok',
    'it ends';
is sent(2), 'nil', 'without a cookie, for the headers were out';
is $redis->cmd('DBSIZE'), 0, 'it has ended';
error_log_is_clean($httpd, qr/sent: /);
done_testing;
