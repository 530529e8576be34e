#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# The Lua face inside mod_lua: verbs, values both ways, errors, who may use
# a handle and for how long, and the examples of docs/lua.md.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/lib";
use DRS;
use Test::More;

needs('lua');
my $guest = $ENV{DRS_LUA} // "$FindBin::Bin/../build/lua/drsession.so";
plan skip_all => 'drsession.so is not built: "make lua" says why'
    unless -e $guest;
my ($home) = $guest =~ m{\A(.*)/};

# Runs the Lua in the request body; its results, one a line, or the error.
my $run = <<'LUA';
local drsession = require "drsession"

local function show(v)
    if v == drsession.null then return "null" end
    if type(v) ~= "table" then return math.type(v) == "float" and
        string.format("float %.17g", v) or tostring(v) end
    local keys, out = {}, {}
    for k in pairs(v) do keys[#keys + 1] = k end
    table.sort(keys, function(a, b) return tostring(a) < tostring(b) end)
    for i, k in ipairs(keys) do out[i] = show(k) .. "=" .. show(v[k]) end
    return "{" .. table.concat(out, ",") .. "}"
end

function handle(r)
    r.content_type = "text/plain"
    local chunk, why = load(r:requestbody() or "")
    if not chunk then r:puts("syntax " .. why) return apache2.OK end
    local s = drsession.open(r)
    local got = table.pack(pcall(chunk, s, drsession, r))
    if not got[1] then
        r:puts("error " .. tostring(got[2]))
        return apache2.OK
    end
    for i = 2, got.n do got[i] = show(got[i]) end
    r:puts(table.concat(got, "\n", 2, got.n))
    return apache2.OK
end
LUA

my $redis = start_redis();
my $httpd = start_httpd(redis => $redis, modules => ['lua'],
    conf => <<"CONF", docs => { 'run.lua' => $run });
DRSession On
DRSessionIdle 1h
LuaPackageCPath $home/?.so
<FilesMatch "\\.lua\$">
    SetHandler lua-script
</FilesMatch>
CONF

my $jar = jar();

# What a piece of Lua returns in a request: "s, d, r" are given.
sub lua {
    my ($code, %opt) = @_;
    my $r = $httpd->request('POST', $opt{path} // '/run.lua',
        jar => $opt{jar} // $jar, body => "local s, d, r = ...\n$code");
    return $r if $opt{whole};
    return $r->{status} == 200 ? $r->{body} : "http:$r->{status} $r->{body}";
}

sub held { $redis->cmd('HGET', 'drsession:' . $jar->id, $_[0]) }

subtest 'fields_are_live' => sub {
    is lua('return s.foo'), 'nil', 'nothing';
    is $jar->id, undef, 'and no session for it';
    is lua('s.foo = {1,2}; return s.foo'), '{1=1,2=2}', 'set and get';
    is held('foo'), '[1,2]', 'Redis has it';
    is lua('return #s'), 1, '#s';
    is lua('s.foo = nil; return s.foo'), 'nil', 'deleted';
    is $redis->cmd('DBSIZE'), 0, 'with its session';
};

error_log_is_clean($httpd);
done_testing;
