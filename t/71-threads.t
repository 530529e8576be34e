#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# Many threads of one child, many streams of one connection: HTTP/2 through
# all doors into the same sessions, with connections cut, the pool too small
# and Redis restarted meanwhile. `make check TSAN=1` watches each access.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/lib";
use DRS;
use Test::More;
use Time::HiRes qw(sleep time);

needs('http2');
plan skip_all => 'no h2load' if system('command -v h2load >/dev/null') != 0;
my $home = DRS::Httpd::lua_home();
my $has_lua = defined $home;
my $times = $ENV{DRS_MANY} // 1;

my $redis = start_redis(appendonly => 1);
my $httpd = start_httpd(redis => $redis, kind => gethostbyname('localhost') ? 'name'
    : 'tcp', servers => 1,
    threads => 32, modules => ['http2', $has_lua ? 'lua' : ()],
    docs => {
        'page.shtml' => '[<!--#echo encoding="none" var="DRSESSION_born" -->]',
        'count.lua' => <<'LUA' },
local drsession = require "drsession"
function handle(r)
    local s = drsession.open(r)
    r:puts(drsession.incr(s, "lua"), s.born)
    s.last = { n = #s, of = drsession.id(s) }
    return apache2.OK
end
LUA
    conf => <<"CONF");
Protocols h2c http/1.1
H2MaxWorkers 32
DRSession On
DRSessionIdle 1h
DRSessionTimeout connect=5s command=10s request=20s
DRSessionPool max=6 wait=10s
<Location /session>
    SetHandler drsession
    DRSessionAllow read *
    DRSessionAllow write *
</Location>
<Location /page.shtml>
    DRSessionExport born
</Location>
<Location /required>
    Require expr %{DRSESSION:born} == '1'
    SetHandler drsession
    DRSessionAllow read *
</Location>
@{[$has_lua ? qq{LuaPackageCPath $home/?.so
<FilesMatch "\\.lua\$">
    SetHandler lua-script
</FilesMatch>} : '']}
CONF

# Start h2load: paths, POST body or none; read() gives what it says.
my $bodies = 0;

sub load {
    my ($n, $jar, $body, @paths) = @_;
    my @data;
    if (defined $body) {
        my $name = 'body' . ++$bodies;
        $httpd->add($name, $body);
        @data = ('-d', $httpd->dir . "/$name");
    }
    # Paths are taken in turn by each client.
    open my $said, '-|', 'h2load', '-n', $n, '-c', 4, '-m', 8, '-t', 1,
        '-H', 'cookie: ' . $jar->header, @data,
        map { $httpd->url($_) } @paths or die "h2load: $!";
    return $said;
}

sub told { my ($said) = @_; my $text = join '', <$said>; close $said; $text }

sub born {
    my $jar = jar();
    is $httpd->drs({ jar => $jar }, 'set born 1'), 'ok', 'a session';
    return $jar;
}

sub held { my ($jar, $f) = @_;
    return $redis->cmd('HGET', 'drsession:' . $jar->id, $f) // 0 }

sub all_answered {
    my ($said, $n, $what) = @_;
    local $Test::Builder::Level = $Test::Builder::Level + 1;
    like $said, qr/^status codes: $n 2xx, 0 3xx, 0 4xx, 0 5xx/m, $what
        or diag $said;
}

subtest 'streams_of_all_doors_at_once_lose_nothing' => sub {
    my @jars = (born(), born());
    my $n = 400 * $times;
    my @get = ('/page.shtml', '/required/born', '/session/',
        $has_lua ? '/count.lua' : ());
    my @running = map { ([$n, load($n, $_, undef, @get)],
        [$n, load($n, $_, ' ', '/session/rest?incr=1')],
        [$n, load($n, $_, "incr c 1\nget born\nset_int last 7\nall\n",
            '/drs')]) } @jars;
    all_answered(told($_->[1]), $_->[0], 'each is answered') for @running;
    for my $jar (@jars) {
        is held($jar, 'rest'), $n, 'REST counted each';
        is held($jar, 'c'), $n, 'the C API too';
        is held($jar, 'lua'), $n / 4, 'and Lua' if $has_lua;
    }
};

subtest 'so_do_sessions_that_begin_and_end' => sub {
    my $n = 200 * $times;
    my $script = "set a 1\nregenerate\nincr n 2\npop a\nadd b {}\nkeys\n"
        . "get_many a b n\ndestroy\nget a\n";
    my $said = told(load($n, jar(none => 1), $script, '/drs'));
    all_answered($said, $n, 'each is answered');
    is $redis->cmd('DBSIZE'), 2, 'and nothing is left of them';
};

subtest 'nothing_is_counted_twice_while_connections_are_cut' => sub {
    my $jar = born();
    my $n = 400 * $times;
    my $said = load($n, $jar, "incr c 1\n", '/drs');
    for my $cut (1 .. 40) {
        eval { $redis->cmd('CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME',
                           'yes') };
        sleep 0.02;
        $redis->restart if $cut == 20;
    }
    all_answered(told($said), $n, 'each is answered');
    cmp_ok held($jar, 'c'), '<=', $n, 'nothing more than was asked for';
};

error_log_is_clean($httpd, qr/sessions are down: /);
done_testing;
