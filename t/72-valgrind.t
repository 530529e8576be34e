#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# A child of prefork under valgrind goes through all doors and ends: nothing
# of ours reads what it should not, is lost, or leaves a descriptor open. The
# whole suite is `make check VALGRIND=1`.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/lib";
use DRS;
use Test::More;

needs('include');
plan skip_all => 'no valgrind' if system('command -v valgrind >/dev/null') != 0;
plan skip_all => 'valgrind and a sanitizer exclude each other'
    if $ENV{DRS_PRELOAD};

my $home = DRS::Httpd::lua_home();
my $has_lua = defined $home;
my $redis = start_redis();
my $httpd = start_httpd(redis => $redis, kind => 'tcp', mpm => 'prefork',
    start => 0, modules => $has_lua ? ['lua'] : [],
    docs => {
        'page.shtml' => '[<!--#echo encoding="none" var="DRSESSION_n" -->]',
        'count.lua' => <<'LUA' },
local drsession = require "drsession"
function handle(r)
    local s = drsession.open(r)
    s.list = { 1, "zwei", { drei = true } }
    for k, v in pairs(s) do if k == "list" then r:puts(v[2]) end end
    r:puts(drsession.incr(s, "lua"), select(2, pcall(drsession.incr, s, "list")))
    return apache2.OK
end
LUA
    cgi => { visit => "#!/bin/sh\nprintf 'Content-Type: text/plain\\r\\n"
        . "DRSession: set h {\"a\":1}, incr visits 1\\r\\n\\r\\nvisited'\n" },
    conf => <<"CONF");
DRSession On
DRSessionIdle 1h
DRSessionTimeout connect=5s command=10s request=30s
<Location /session>
    SetHandler drsession
    DRSessionAllow read *
    DRSessionAllow write *
</Location>
<Location /page.shtml>
    DRSessionExport n
    Require drsession n 1 2
</Location>
<Location /cgi/visit>
    DRSessionHeader On
    DRSessionChildAccess On
</Location>
@{[$has_lua ? qq{LuaPackageCPath $home/?.so
<FilesMatch "\\.lua\$">
    SetHandler lua-script
</FilesMatch>} : '']}
CONF

my $logs = $httpd->dir . '/run';
{
    local $ENV{DRS_VALGRIND} = 'valgrind -q --leak-check=full --track-fds=yes'
        . " --child-silent-after-fork=no --log-file=$logs/valgrind.%p";
    $httpd->start;
}

my $jar = jar();
is_deeply [$httpd->drs({ jar => $jar, timeout => 60 }, 'set a {"b":[1,2]}',
        'incr n 1', 'set_string s %22%C3%A9', 'get_string s', 'get_int n',
        'get_many a none n', 'add a 1', 'regenerate', 'pop s', 'count', 'keys',
        'all', 'set bad {', 'incr a 1', 'del none')],
    ['ok', 'ok 1', 'ok', "ok \"\xc3\xa9", 'ok 1', "ok {\"b\":[1,2]}\t(nil)\t1",
        'exists', 'ok', "ok \"\\\"\xc3\xa9\"", 'ok 2', "ok a\tn",
        'ok {"a":{"b":[1,2]},"n":1}', 'value', 'value', 'notfound'],
    'the C API';
is $httpd->request(@$_, jar => $jar)->{status}, shift @{[200]}, "@$_[0, 1]"
    for ['GET', '/session/'], ['POST', '/session/rest?incr=1'];
is $httpd->request('PATCH', '/session/', jar => $jar,
    body => '{"x":"\u00e9","a":null}')->{status}, 204, 'REST';
is $httpd->request('PUT', '/session/x', jar => $jar,
    body => '{"x":')->{status}, 400, 'and what is refused';
like $httpd->get('/page.shtml', jar => $jar)->{body}, qr/\A\[1\]/, 'exports';
is $httpd->get('/cgi/visit', jar => $jar)->{body}, 'visited', 'headers';
like $httpd->get('/count.lua', jar => $jar)->{body}, qr/\Azwei1.*value/, 'Lua'
    if $has_lua;
$redis->restart;
like scalar $httpd->drs({ jar => $jar }, 'get a'), qr/\A(?:notfound|down)\z/,
    'Redis restarted';
is $httpd->drs({ jar => $jar }, 'destroy'), 'ok', 'the end';

# Connections that are open now have to be closed by the children.
$httpd->client->{link} = undef;
$httpd->stop;

my ($children, @ours, @sockets) = (0);
for my $log (glob "$logs/valgrind.*") {
    my $text = DRS::Httpd::slurp($log);
    $children++ if $text =~ /FILE DESCRIPTORS/;
    my $port = $redis->port;
    push @sockets, $text =~ /(Open AF_INET socket.*<-> 127\.0\.0\.1:$port\b.*)/g;
    $text =~ s/^==\d+== ?//mg;
    push @ours, grep { /mod_drsession|mod_drstest|lua\/drsession|\bdrs_\w+ / }
        split /\n\n/, $text;
}
cmp_ok $children, '>', 1, 'valgrind watched the children';
is_deeply \@ours, [], 'and has nothing to say of us';
is_deeply \@sockets, [], 'no connection to Redis was left open';
error_log_is_clean($httpd, qr/drsession:error/);
done_testing;
