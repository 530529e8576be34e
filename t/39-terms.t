#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# What a part of a page may do with the session is not what its page may do.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/lib";
use DRS;
use MIME::Base64 qw(encode_base64url);
use Test::More;

needs(qw(lua include));
my $home = DRS::Httpd::lua_home()
    // plan skip_all => 'drsession.so is not built';
# A page that holds a handle while a part of it is included.
my $page = <<'LUA';
local drsession = require "drsession"
function handle(r)
    r.content_type = "text/html"
    local s = drsession.open(r)
    r:puts('<!--#include virtual="' .. r.args .. '" -->')
    r:puts(string.rep(" ", 20000))
    r:flush()
    local done, why = pcall(function() s.a = 2 end)
    r:puts(done and "written" or tostring(why))
    return apache2.OK
end
LUA
# A part that opens the session itself.
my $part = <<'LUA';
local drsession = require "drsession"
function handle(r)
    r.content_type = "text/plain"
    local s = drsession.open(r)
    r:puts(s.a and "part " or "nothing ")
    return apache2.OK
end
LUA
my $redis = start_redis();
my $httpd = start_httpd(redis => $redis, modules => ['lua'], docs => {
    'ro/page.lua' => $page, 'rw/page.lua' => $page, 'rw/part.txt' => 'part ',
    'ro/part.txt' => 'part ', 'ever/part.txt' => 'part ',
    map { ("$_/part.lua" => $part) } qw(ro rw ever brief) }, conf => <<"CONF");
DRSession On
DRSessionIdle 1h
LuaPackageCPath $home/?.so
<FilesMatch "\\.lua\$">
    SetHandler lua-script
    SetOutputFilter INCLUDES
</FilesMatch>
<Location /ro>
    DRSession ReadOnly
</Location>
<Location /brief>
    DRSession ReadOnly
    DRSessionMaxLifetime 10min
</Location>
<Location /ever>
    DRSessionIdle 0
</Location>
CONF
my $jar = jar();
$httpd->drs({ jar => $jar }, 'set a 1');
# The blanks make mod_include run the part before the page goes on.
my $get = sub { $httpd->get($_[0], jar => $jar)->{body} =~ s/ {2,}/ /r };
for my $kind (qw(txt lua)) {
    like $get->("/ro/page.lua?/ro/part.$kind"), qr/\Apart .*readonly/,
        "ReadOnly: no write (a part.$kind)";
    like $get->("/ro/page.lua?/rw/part.$kind"), qr/\Apart .*readonly/,
        'nor with a part that may write';
    is $httpd->drs({ jar => $jar }, 'get a'), 'ok 1', 'nothing was written';
    is $get->("/rw/page.lua?/ro/part.$kind"), 'part written',
        'a page may write, whatever a part may';
    my $key = 'drsession:' . $jar->id;
    $redis->cmd('PEXPIRE', $key, 100_000);
    $get->("/rw/page.lua?/ever/part.$kind");
    cmp_ok $redis->cmd('PTTL', $key), '>', 100_000,
        'the expiry is that of the page';
    $httpd->drs({ jar => $jar }, 'set a 1');
}
# A part that may only read cannot end a session that is too old for it alone.
my $id = encode_base64url(pack('CN', 0, time - 3600) . 'k' x 28);
$redis->cmd('HSET', "drsession:$id", 'a', 1);
$jar = jar(drsession => $id);
is $get->('/rw/page.lua?/brief/part.lua'), 'nothing written',
    'too old for a part, and the page has its session';
is $redis->cmd('HGET', "drsession:$id", 'a'), 2, 'which is the same';
is $jar->id, $id, 'of the same id';
error_log_is_clean($httpd);
done_testing;
