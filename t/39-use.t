#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# Whether there is a session is told without a trip to Redis, and the page
# that says so is one user's: every door marks its response.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/lib";
use DRS;
use Test::More;

needs();
my $home = DRS::Httpd::lua_home();
my $httpd = start_httpd(redis => start_redis(),
    modules => [$home ? 'lua' : ()], docs => { 'id.lua' => <<'LUA',
local drsession = require "drsession"
function handle(r)
    local s = drsession.open(r)
    if r.args == "id" then r:puts(tostring(drsession.id(s) ~= nil)) end
    return apache2.OK
end
LUA
    }, conf => "DRSession On\nLogFormat %^DS ds\nCustomLog access.log ds\n"
        . ($home ? "LuaPackageCPath $home/?.so\nAddHandler lua-script .lua\n"
            : ''));

sub marks {
    my ($r) = @_;
    return join '; ', grep { defined } map { header($r, $_) }
        'Vary', 'Cache-Control';
}

my $jar = jar();
is $httpd->drs({ jar => $jar }, 'set a 1'), 'ok', 'a session';

for my $who ([one => $jar], [none => jar()]) {
    subtest "of_$who->[0]" => sub {
        for my $call ('id', 'key', 'is_bound') {
            my $r = $httpd->request('POST', '/drs', jar => $who->[1],
                                    body => "$call\n");
            is marks($r), 'Cookie; private, no-cache', $call;
        }
        for my $call ('open', 'error') {
            my $r = $httpd->request('POST', '/drs', jar => $who->[1],
                                    body => "$call\n");
            is marks($r), '', "not $call, which tells nothing of it";
        }
    };
}

SKIP: {
    skip 'no Lua face', 1 unless $home;
    subtest 'from_lua' => sub {
        my $r = $httpd->get('/id.lua?id', jar => $jar);
        is $r->{body}, 'true', 'drsession.id';
        is marks($r), 'Cookie; private, no-cache', 'is a use';
        is marks($httpd->get('/id.lua', jar => $jar)), '', 'open is none';
    };
}

error_log_is_clean($httpd);
done_testing;
