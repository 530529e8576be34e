#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# When a request is logged its headers are out, those of a HEAD too: what
# would make a session then is refused, for no cookie can follow.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/lib";
use DRS;
use Test::More;

needs(qw(lua proxy proxy_http));
my $home = DRS::Httpd::lua_home()
    // plan skip_all => 'drsession.so is not built';
my $hook = <<'LUA';
local drsession = require "drsession"
function log(r)
    local s = drsession.open(r)
    local done, why = pcall(function() s.a = 1 end)
    r:err("said: " .. (done and "written" or tostring(why)))
    return apache2.OK
end
LUA
my $backend = start_httpd(plain => 1, docs => { 'x.txt' => 'x' },
    conf => 'Header always set DRSession "delete a"');
my $redis = start_redis();
my $httpd = start_httpd(redis => $redis, start => 0,
    modules => [qw(lua proxy proxy_http)],
    docs => { 'x.txt' => 'x', 'none.txt' => '', 'log.lua' => $hook });
my ($dir, $port) = ($httpd->dir, $backend->port);
$httpd->{conf} = <<"CONF";
DRSession On
LuaPackageCPath $home/?.so
LuaHookLog $dir/docs/log.lua log
ProxyPass /proxy/ http://127.0.0.1:$port/
<Location /proxy/>
    DRSessionHeader On
</Location>
CONF
$httpd->start;
my $n = 0;
for my $path (qw(/x.txt /none.txt /nothing /proxy/x.txt)) {
    for my $method (qw(GET HEAD)) {
        $httpd->request($method, $path);
        my @said;
        $n++;
        wait_until(10, sub {
            @said = $httpd->error_log =~ /said: (.*)/g;
            @said == $n;
        });
        like $said[-1], qr/\Asent: /, "$method $path: too late";
    }
}
is $redis->cmd('DBSIZE'), 0, 'no session is left that nobody can find';
error_log_is_clean($httpd, qr/said: /);
done_testing;
