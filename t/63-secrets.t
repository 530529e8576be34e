#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# Ids, values and passwords, with everything logged that can be: through all
# doors, in success and in failure, they are nowhere but where they belong.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/lib";
use DRS;
use DRS::Backend;
use Test::More;
use Time::HiRes qw(sleep);

my @modules = qw(proxy proxy_http proxy_fcgi ext_filter);
needs(@modules, qw(include rewrite headers setenvif alias));
my $lua_home = DRS::Httpd::lua_home();
my $has_lua = defined $lua_home;
my $tool = ($ENV{DRS_BUILD} // "$FindBin::Bin/../build") . '/drsession';

# Not to be taken for anything else.
my $n = 0;
my @secrets;
sub secret {
    my $text = join '', 'sEcReT', ++$n, 'x', map { ('A' .. 'Z')[rand 26] } 1 .. 12;
    push @secrets, $text;
    return $text;
}

my $password = secret();
my $redis = start_redis(pass => $password, args => ['--requirepass', $password,
    '--loglevel', 'verbose']);
my $backend = DRS::Backend->new;
my $login = secret();

my $conf = <<"CONF";
LogLevel trace8
LogFormat "%h %l %u %t \\"%r\\" %>s %b \\"%{Referer}i\\" \\"%{User-Agent}i\\"" combined
LogFormat "%h %l %u %t \\"%r\\" %>s %b" common
CustomLog access.log combined
CustomLog named.log "%U [%^DS]"
DRSessionServer redis://127.0.0.1:%PORT%
DRSessionCredentials file:password
DRSessionTimeout command=300ms
DRSession On
DRSessionIdle 1h
RewriteEngine On
RewriteMap s int:drsession
RewriteCond \${s:user} (.+)
RewriteRule ^/mapped - [E=MAPPED:1]
<LocationMatch "^/(?:cgi|live)">
    DRSessionExport user obj
    DRSessionHeader On
</LocationMatch>
ScriptAlias /live/ cgi/
<Location /live>
    DRSessionChildAccess On
</Location>
<Location /session>
    SetHandler drsession
    DRSessionAllow read *
    DRSessionAllow write *
    DRSessionLimit value=2000 fields=12
</Location>
<Location /forward>
    DRSessionForward user X-Session-User
    ProxyPass ${\$backend->url('http')}
</Location>
<Location /expr>
    Header set X-User "expr=%{DRSESSION:user}"
    Require expr "%{DRSESSION:user} != ''"
</Location>
<Location /require>
    Require drsession user nobody else
</Location>
<Location /server-info>
    SetHandler server-info
</Location>
ExtFilterDefine files mode=output cmd="%DIR%/cgi/files"
<Location /filtered>
    SetOutputFilter files
    DRSessionExport user
</Location>
Alias /filtered %DIR%/docs/page.txt
CONF
$conf .= "LuaPackageCPath $lua_home/?.so\nLuaMapHandler ^/lua\$ %DIR%/docs/s.lua\n"
    if $has_lua;

my %files = (
    docs => { 'page.txt' => 'page', 'inc.shtml' =>
        '<!--#include virtual="/cgi/env" --><!--#echo var="DRSESSION_user" -->',
        's.lua' => <<'LUA' },
local drsession = require "drsession"
function handle(r)
    r.content_type = "text/plain"
    local s = drsession.open(r)
    s.lua = r:requestbody()
    local ok, why = pcall(function () return drsession.incr(s, "lua") end)
    r:puts(tostring(s.user), " ", tostring(s.lua), " ", tostring(why))
    return apache2.OK
end
LUA
    cgi => { say => "#!/bin/sh\nprintf 'Content-Type: text/plain\\r\\nDRSession: '\n"
            . "cat\nprintf '\\r\\n\\r\\nsaid'\n",
        # It reads all first: httpd fails the filter that goes before its input.
        files => "#!/bin/sh\ncat >/dev/null\nls -l /proc/\$\$/fd\n",
        env => "#!/bin/sh\nprintf 'Content-Type: text/plain\\r\\n\\r\\n'\nenv\n",
        live => "#!/bin/sh\nprintf 'Content-Type: text/plain\\r\\n\\r\\n'\n"
            . "tr '\\0' '\\n' </proc/\$PPID/cmdline; echo\n"
            . "\${0%/*}/drsession get user 2>&1\n"
            . "\${0%/*}/drsession set child - 2>&1\n"
            . "\${0%/*}/drsession incr user 2>&1\n",
        drsession => DRS::Httpd::slurp($tool) });

my %given;
sub start {
    my ($mpm) = @_;
    my $httpd = start_httpd(mpm => $mpm, start => 0, %files,
        modules => [@modules, $has_lua ? 'lua' : ()], servers => 1);
    my $dir = $httpd->dir;
    $httpd->add('password', "$password\n");
    chmod 0600, "$dir/password";
    $httpd->{conf} = $conf =~ s/%DIR%/$dir/gr =~ s/%PORT%/$redis->port/er;
    return $httpd->start;
}

# Everything that a visitor may do, with values known to this test alone.
sub use_all_doors {
    my ($httpd) = @_;
    my $jar = jar();
    my $user = secret();
    my $say = sub { return $httpd->request(@_, jar => $jar) };
    my $put = sub { my ($field, $json) = @_;
        $say->('PUT', "/session/$field", body => $json) };
    $put->('user', "\"$user\"");
    push @secrets, $jar->id if defined $jar->id;
    my $seen = $say->('GET', '/session/user')->{body} // '';
    $put->('obj', '{"deep": ["' . secret() . '"]}');
    # What is refused.
    $put->('bad', '{"' . secret() . '"');
    $put->('long', '"' . secret() . 'x' x 3000 . '"');
    $put->('ctrl', '"' . secret() . '\u0000"');
    $say->('PATCH', '/session/', body => '{"a": "' . secret() . '", "b": }');
    $say->('POST', '/session/user?incr=1');
    $say->('POST', '/session/user?pop=' . 1);
    $httpd->drs({ jar => $jar }, 'set c "' . secret() . '"', 'incr c 1',
        'get_int c', 'set d ' . secret(), "set_many e \"${\secret()}\"\tf x");
    # What others read of it.
    $say->('GET', $_) for qw(/cgi/env /inc.shtml /forward/echo /expr/page.txt
        /require/page.txt /mapped /filtered /none);
    $say->('POST', '/live/live', body => '"' . secret() . '"');
    $say->('POST', '/lua', body => secret()) if $has_lua;
    # What a backend says, rightly and wrongly.
    $say->('POST', '/cgi/say', body => $_) for
        'set back "' . secret() . '"', 'set back "' . secret(), 'incr user 1',
        'regenerate', 'destroy, set again "' . secret() . '"';
    push @secrets, $jar->id if defined $jar->id;
    $put->('user', "\"$user\"");
    push @secrets, $jar->id if defined $jar->id;
    # Ids that are none, and such as Redis does not know.
    my $id = join '', 'mIsTaKeN', map { ('a' .. 'z')[rand 26] } 1 .. 36;
    push @secrets, $id, my $short = substr $id, 4;
    for my $cookie ("drsession=$id", "drsession=$short", "drsession=$id; drsession="
        . reverse($id), "drsession=\"$id\"") {
        $httpd->get('/cgi/env', headers => { Cookie => $cookie });
        $httpd->request('PUT', '/session/x', body => '1',
            headers => { Cookie => $cookie });
    }
    return ($jar, $seen eq "\"$user\"");
}

# And the same where Redis is no help.
sub use_in_trouble {
    my ($httpd, $jar) = @_;
    my $key = 'drsession:' . $jar->id;
    my @doors = (qw(/session/user /session/ /cgi/env /live/live /forward/echo
        /expr/page.txt /require/page.txt /mapped), $has_lua ? '/lua' : ());
    my $try = sub {
        $httpd->get($_, jar => $jar->copy) for @doors;
        $httpd->request('PUT', '/session/user', jar => $jar->copy,
            body => '"' . secret() . '"');
        $httpd->request('POST', '/cgi/say', jar => $jar->copy,
            body => 'set back "' . secret() . '"');
    };
    $redis->cmd('RENAME', $key, 'aside');
    $redis->cmd('SET', $key, secret());
    $try->();
    $redis->cmd('DEL', $key);
    $redis->cmd('RENAME', 'aside', $key);
    $redis->hang;
    $try->();
    $redis->resume;
    sleep 1;
    $redis->cmd('CONFIG', 'SET', 'requirepass', secret());
    $redis->cmd('CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'yes');
    $try->();
    $redis->cmd('CONFIG', 'SET', 'requirepass', $password);
    $redis->stop;
    $try->();
    $redis->start;
}

# Lines of a log with a secret in them.
sub hits {
    my ($text, $which) = @_;
    my $any = join '|', map { quotemeta } @secrets;
    return grep { /$any/ && $which->($_) } split /\n/, $text;
}

my %tellers;
for my $mpm (qw(prefork event)) {
    my $httpd = start($mpm);
    subtest "no_secret_is_in_a_log under $mpm" => sub {
        my ($jar, $worked) = use_all_doors($httpd);
        ok $worked, 'the doors are open';
        use_in_trouble($httpd, $jar);
        my $log = $httpd->error_log;
        like $log, qr/\[drsession:error\]/, 'there was trouble';
        like $log, qr/:trace[4-8]\]/, 'and a lot was logged';
        cmp_ok scalar(@secrets), '>', 30, scalar(@secrets) . ' secrets';
        my @bad = hits($log, \&DRS::Secrets::counts);
        is scalar(@bad), 0, 'in the error log: none' or diag @bad[0 .. 3];
        @bad = hits($log, sub { $_[0] =~ /\[drs\w+:/ });
        is scalar(@bad), 0, 'nor in any line of the module' or diag @bad[0 .. 3];
        for my $name ('access.log', 'named.log', 'httpd.out') {
            @bad = hits(DRS::Httpd::slurp($httpd->dir . "/$name"), sub { 1 });
            is scalar(@bad), 0, "in $name: none" or diag @bad[0 .. 3];
        }
        @bad = hits(DRS::Httpd::slurp($redis->dir . '/redis.log'), sub { 1 });
        is scalar(@bad), 0, 'in the log of Redis: none' or diag @bad[0 .. 3];
        like DRS::Httpd::slurp($httpd->dir . '/named.log'),
            qr{^/session/user \[[0-9a-f]{16}\]$}m, 'a session has another name there';
        my $page = $httpd->get('/server-info')->{body};
        is scalar(hits($page, sub { 1 })), 0, 'nor does mod_info know one';
        $tellers{$_} = 1 for map { /\[(\w+):trace\d\]/ ? $1 : () }
            hits($log, sub { 1 });
    };

    subtest "no_process_shows_a_password under $mpm" => sub {
        my @pids = ($httpd->pid);
        push @pids, split ' ', DRS::Httpd::slurp("/proc/$_/task/$_/children")
            for $httpd->pid;
        cmp_ok scalar(@pids), '>', 1, scalar(@pids) . ' processes';
        for my $file (qw(environ cmdline)) {
            my $all = join '', map { DRS::Httpd::slurp("/proc/$_/$file") } @pids;
            ok length $all, "$file of each";
            unlike $all, qr/\Q$password\E/, 'has none';
        }
        for my $path (qw(/cgi/env /live/live /live/env)) {
            my $r = $httpd->get($path);
            unlike $r->{body}, qr/\Q$password\E/, "$path knows none";
        }
    };

    # The one program that httpd starts beside threads that talk to Redis.
    subtest "no_connection_is_inherited under $mpm" => sub {
        my $port = sprintf ':%04X', $redis->port;
        ok wait_until(10, sub { $httpd->get('/session/user',
            jar => jar(drsession => 'k' x 44))->{status} == 404 }),
            'Redis is found again';
        # Of each line: the other end, the state, the number of the socket.
        my %to = map { $_->[9] => 1 }
            grep { $_->[2] =~ /\Q$port\E\z/ && $_->[3] eq '01' }
            map { [split] } split /\n/, DRS::Httpd::slurp('/proc/net/tcp');
        cmp_ok scalar(keys %to), '>', 0, 'httpd has connections';
        my $r = $httpd->get('/filtered', jar => jar(drsession => 'k' x 44));
        like $r->{body}, qr/0 ->/, 'a filter shows what it has';
        my @sockets = $r->{body} =~ /socket:\[(\d+)\]/g;
        is scalar(grep { $to{$_} } @sockets), 0, 'none of them';
    };
    error_log_is_clean($httpd, qr/\[drsession:error\]|\[lua:(?:error|warn)\]/,
        qr/\[(?:core|proxy|proxy_http|authz_core|cgid?|ext_filter|rewrite):/);
    $httpd->stop;
}

# They log whole requests when told to: the docs warn of those.
subtest 'what_httpd_itself_tells_is_documented' => sub {
    my $doc = DRS::Httpd::slurp("$FindBin::Bin/../docs/security.md");
    my ($list) = $doc =~ /Modules of httpd that log cookies or values[^:]*:(.*?)\.\s/s;
    ok defined $list, 'docs/security.md has a list' or return;
    my %named = map { $_ => 1 } $list =~ /`(\w+)`/g;
    is join(' ', grep { !$named{$_} } sort keys %tellers), '',
        'and all that did so here are in it';
};

done_testing;
