#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# A new session after the headers went out is refused, without a body as
# with one: its cookie would be lost.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/lib";
use DRS;
use Test::More;

needs('lua');
my $home = DRS::Httpd::lua_home()
    // plan skip_all => 'drsession.so is not built';
my $page = <<'LUA';
local drsession = require "drsession"
function handle(r)
    local s = drsession.open(r)
    r.content_type = "text/plain"
    if r.args == "204" then r.status = 204 end
    r:puts("x")
    r:flush()
    local done, why = pcall(function() s.a = 1 end)
    r:err("said: " .. (done and "written" or tostring(why)))
    return apache2.OK
end
LUA
my $redis = start_redis();
my $httpd = start_httpd(redis => $redis, modules => ['lua'],
    docs => { 'page.lua' => $page }, conf => <<"CONF");
DRSession On
LuaPackageCPath $home/?.so
<FilesMatch "\\.lua\$">
    SetHandler lua-script
</FilesMatch>
CONF
my $n = 0;
for my $how (['GET', '/page.lua'], ['GET', '/page.lua?204'], ['HEAD', '/page.lua']) {
    my $r = $httpd->request(@$how);
    my @said;
    $n++;
    wait_until(10, sub { @said = $httpd->error_log =~ /said: (.*)/g; @said == $n });
    is $redis->cmd('DBSIZE'), header($r, 'Set-Cookie') ? 1 : 0,
        "@$how: no session without its cookie";
    like $said[-1], header($r, 'Set-Cookie') ? qr/written/ : qr/sent: /,
        'and the page is told';
    $redis->cmd('FLUSHALL');
}
done_testing;
