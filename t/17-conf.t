#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# The configuration as an administrator meets it: what `httpd -t` refuses and
# in which words, what it takes, which of two settings wins, where passwords
# come from and that none is ever shown.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/lib";
use DRS;
use POSIX ();
use Test::More;
use Time::HiRes qw(time);

needs(qw(headers info setenvif));
my $redis = start_redis();
my $tester = start_httpd(start => 0);

# A configuration, and how the sentence begins: directive, bad word, what is
# allowed.
sub refused {
    my ($name, @rows) = @_;
    subtest $name => sub {
        for my $row (@rows) {
            my ($text, $wanted) = @$row;
            my ($code, $out) = $tester->conftest($text);
            (my $title = $text) =~ s/\s*\n\s*/ | /g;
            isnt $code, 0, "refused: $title";
            like $out, $wanted, 'in clear words';
        }
    };
}

sub taken {
    my ($name, @rows) = @_;
    subtest $name => sub {
        for my $text (@rows) {
            my ($code, $out) = $tester->conftest($text);
            (my $title = $text) =~ s/\s*\n\s*/ | /g;
            is $code, 0, "taken: " . substr $title, 0, 72
                or diag $out;
        }
    };
}

# Directive: 'word' ... allowed; httpd shows bytes that are not ASCII in hex.
sub says {
    my ($directive, $word, $allowed) = @_;
    $word =~ s/([\x80-\xff])/sprintf '\x%02x', ord $1/ge;
    return qr/\b$directive: '\Q$word\E' is not allowed here; .*$allowed/;
}

my $time = qr/digits with ms, s, min, h or d/;
my $name = qr/1 to 255 bytes of UTF-8/;
my $variable = qr/write field=NAME/;
my $same = qr/two fields would become this variable/;
my $long = 'x' x 256;

refused('wrong_switches_are_refused',
    ['DRSession', qr/DRSession takes one argument/],
    ['DRSession Yes', says('DRSession', 'Yes', 'On, Off or ReadOnly')],
    ['DRSession Read-Only', says('DRSession', 'Read-Only', 'ReadOnly')],
    ['DRSession On Off', qr/DRSession takes one argument/],
    ['DRSessionTouch Maybe', says('DRSessionTouch', 'Maybe', 'On or Off')],
    ['DRSessionStrict 1', says('DRSessionStrict', '1', 'On or Off')],
    ['DRSessionHeader Yes', says('DRSessionHeader', 'Yes', 'On or Off')],
    ['DRSessionOnError ignore',
        says('DRSessionOnError', 'ignore', 'fail or pass')],
    ['DRSessionCodec pickle',
        says('DRSessionCodec', 'pickle', 'json, raw or a codec')],
    ['DRSessionCodec JSON', says('DRSessionCodec', 'JSON', 'json, raw')],
    ['DRSessionChildAccess Yes',
        qr/DRSessionChildAccess: neither On, Off nor a url/],
    ['DRSessionChildAccess redis://h:0', qr/the port is no number/],
    ['DRSessionFoo On', qr/Invalid command 'DRSessionFoo'/]);

refused('wrong_urls_are_refused',
    ['DRSessionServer', qr/DRSessionServer takes one argument/],
    ['DRSessionServer localhost',
        qr/DRSessionServer: the url begins with neither redis:\S+ nor unix:/],
    ['DRSessionServer http://h', qr/DRSessionServer: .*redis:\S+ nor unix:/],
    ['DRSessionServer redis://', qr/DRSessionServer: the host is no name/],
    ['DRSessionServer redis://h:0', qr/DRSessionServer: the port is no number/],
    ['DRSessionServer redis://h:65536', qr/the port is no number of 1 to 65535/],
    ['DRSessionServer redis://h:redis', qr/DRSessionServer: the port/],
    ['DRSessionServer redis://h/zero', qr/the database is no number/],
    ['DRSessionServer redis://[::1', qr/IPv6 stands in brackets/],
    ['DRSessionServer redis://::1', qr/IPv6 stands in brackets/],
    ['DRSessionServer "redis://h /0"', qr/DRSessionServer: /],
    ['DRSessionServer unix://tmp/s', qr/unix:\S+ is followed by an absolute/],
    ['DRSessionServer unix:///s?database=1', qr/only \?db=N may stand/],
    ["DRSessionServer unix:///$long", qr/too long for a unix socket/],
    ['DRSessionServer redis://u%zz@h', qr/bad %-escape/],
    ['DRSessionServer rediss://h', qr/rediss:\S+ is not supported/],
    ['DRSessionServer sentinel://a,b/m', qr/sentinel:\S+ is not supported/],
    ['DRSessionServer cluster://a,b', qr/cluster:\S+ is not supported/],
    ["<Location />\nDRSessionServer redis://h\n</Location>",
        qr/DRSessionServer not allowed in <Location> context/]);

refused('wrong_times_are_refused',
    (map { ["DRSessionIdle $_", says('DRSessionIdle', $_, $time)] }
        qw(-1 soon 5sec 5minutes 1.5h 1w 5m 10msx +3 0x10 1e3 36501d),
        '99999999999999999999', '9999999999h'),
    ['DRSessionIdle ""', qr/DRSessionIdle takes one argument, time without/],
    ['DRSessionIdle "5 s"', says('DRSessionIdle', '5 s', $time)],
    ['DRSessionMaxLifetime never', says('DRSessionMaxLifetime', 'never', $time)],
    ['DRSessionTimeout', qr/DRSessionTimeout requires at least one argument/],
    ['DRSessionTimeout 5s',
        says('DRSessionTimeout', '5s', 'connect=T, command=T or request=T')],
    ['DRSessionTimeout read=5s', says('DRSessionTimeout', 'read=5s', 'command=T')],
    ['DRSessionTimeout connect=', says('DRSessionTimeout', '', $time)],
    (map { my $part = $_;
        map { ["DRSessionTimeout $part=$_",
            says('DRSessionTimeout', $_, 'the least is 1ms')] } qw(0 0ms 0s) }
        qw(connect command request)),
    ['DRSessionTimeout command=-5', says('DRSessionTimeout', '-5', $time)]);

refused('wrong_numbers_and_sizes_are_refused',
    ['DRSessionPool max=0', says('DRSessionPool', '0', '1 to 100000')],
    ['DRSessionPool max=-1', says('DRSessionPool', '-1', '1 to 100000')],
    ['DRSessionPool max=100001', says('DRSessionPool', '100001', '1 to 100000')],
    ['DRSessionPool max=four', says('DRSessionPool', 'four', '1 to 100000')],
    ['DRSessionPool max=4x', says('DRSessionPool', '4x', '1 to 100000')],
    ['DRSessionPool On', says('DRSessionPool', 'On', 'Off, max=N')],
    ['DRSessionPool idle=x', says('DRSessionPool', 'x', $time)],
    ['DRSessionPool Off max=4',
        says('DRSessionPool', 'max=4', 'Off stands alone')],
    ["DRSessionPool idle=5s\nDRSessionPool Off",
        says('DRSessionPool', 'Off', 'Off stands alone')],
    ['DRSessionLimit 1m', says('DRSessionLimit', '1m', 'value=SIZE or fields=N')],
    (map { ["DRSessionLimit value=$_",
        says('DRSessionLimit', $_, 'a size is from 1 to 256m')] }
        qw(0 -1 1g 1kb 257m 262145k 268435457 one 1.5m 99999999999999999999)),
    (map { ["DRSessionLimit fields=$_",
        says('DRSessionLimit', $_, 'from 1 to 2048')] } qw(0 2049 -1 many 1k)));

refused('wrong_names_are_refused',
    ['DRSessionPrefix ""', qr/DRSessionPrefix takes one argument, what Redis/],
    ['DRSessionPrefix "a b"', says('DRSessionPrefix', 'a b', 'visible ASCII')],
    ["DRSessionPrefix s\xc3\xa9:", says('DRSessionPrefix', "s\xc3\xa9:", 'ASCII')],
    ["DRSessionPrefix $long", says('DRSessionPrefix', $long, '1 to 255')],
    ['DRSessionEnv HTTP', says('DRSessionEnv', 'HTTP', 'not HTTP')],
    ['DRSessionEnv HTTP_X', says('DRSessionEnv', 'HTTP_X', 'not HTTP')],
    ['DRSessionEnv 1A', says('DRSessionEnv', '1A', 'letters, digits')],
    ['DRSessionEnv A-B', says('DRSessionEnv', 'A-B', 'letters, digits')],
    ['DRSessionExport', qr/DRSessionExport requires at least one argument/],
    ['DRSessionExport a-b', says('DRSessionExport', 'DRSESSION_a-b', $variable)],
    ['DRSessionExport a=b-c', says('DRSessionExport', 'b-c', $variable)],
    ['DRSessionExport a=', says('DRSessionExport', '', $variable)],
    ['DRSessionExport =A', says('DRSessionExport', '=A', $name)],
    ["DRSessionExport $long=A", says('DRSessionExport', "$long=A", $name)],
    ["DRSessionExport \xff=A", says('DRSessionExport', "\xff=A", $name)],
    ['DRSessionExport a=HTTP_HOST',
        says('DRSessionExport', 'HTTP_HOST', 'does not begin with HTTP_')],
    ['DRSessionExport a=http_host', says('DRSessionExport', 'http_host', 'HTTP_')],
    ['DRSessionExport STATUS',
        says('DRSessionExport', 'DRSESSION_STATUS', $variable)],
    (map { ["DRSessionExport x=drsession_$_",
        says('DRSessionExport', "drsession_$_", 'own; write field=NAME')] }
        qw(status Id KEY url IDLE)),
    ['DRSessionExport a a', says('DRSessionExport', 'DRSESSION_a', $same)],
    ['DRSessionExport a A', says('DRSessionExport', 'DRSESSION_A', $same)],
    ['DRSessionExport a=X b=x', says('DRSessionExport', 'x', $same)],
    ["DRSessionExport a\nDRSessionExport b=drsession_A",
        says('DRSessionExport', 'drsession_A', $same)],
    ["DRSessionExport a b=SHOP_a\nDRSessionEnv SHOP",
        says('DRSessionExport', 'SHOP_a', $same)],
    ["DRSessionExport b=SHOP_STATUS\nDRSessionEnv SHOP",
        says('DRSessionExport', 'SHOP_STATUS', $variable)],
    ['DRSessionAllow', says('DRSessionAllow', '', 'read FIELD')],
    ['DRSessionAllow all', says('DRSessionAllow', 'all', 'read FIELD')],
    ['DRSessionAllow user', says('DRSessionAllow', 'user', 'write FIELD')],
    ['DRSessionAllow read', says('DRSessionAllow', 'read', 'read FIELD')],
    ['DRSessionAllow end now', says('DRSessionAllow', 'end', 'or end')],
    ['DRSessionAllow read ""', says('DRSessionAllow', 'read', 'read FIELD')],
    ['DRSessionAllow read "" a', says('DRSessionAllow', '', $name)],
    ["DRSessionAllow write \xc3", says('DRSessionAllow', "\xc3", $name)],
    ["DRSessionAllow read $long", says('DRSessionAllow', $long, $name)],
    ['DRSessionAllow read ' . join(' ', 1 .. 80),
        says('DRSessionAllow', 'read', 'more than 63 words')]);

refused('cookies_that_browsers_drop_are_refused',
    ['DRSessionCookie', qr/DRSessionCookie: a name is missing/],
    ['DRSessionCookie "a b"', qr/DRSessionCookie a b: .*name/],
    ['DRSessionCookie a=b', qr/DRSessionCookie a=b: .*name/],
    ['DRSessionCookie ""', qr/DRSessionCookie: a name is missing/],
    ['DRSessionCookie s Secure', says('DRSessionCookie', 'Secure', 'Secure=')],
    ['DRSessionCookie s Secure=yes',
        says('DRSessionCookie', 'yes', 'Secure is auto, on or off')],
    ['DRSessionCookie s HttpOnly=1',
        says('DRSessionCookie', '1', 'HttpOnly is on or off')],
    ['DRSessionCookie s SameSite=Loose',
        says('DRSessionCookie', 'Loose', 'SameSite is Lax, Strict or None')],
    ['DRSessionCookie s Expires=1d',
        says('DRSessionCookie', 'Expires=1d', 'Max-Age=')],
    ['DRSessionCookie s Max-Age=0', says('DRSessionCookie', '0', '1s')],
    ['DRSessionCookie s Max-Age=500ms', says('DRSessionCookie', '500ms', '1s')],
    ['DRSessionCookie s Max-Age=401d', qr/DRSessionCookie s: Max-Age/],
    ['DRSessionCookie s Max-Age=long', says('DRSessionCookie', 'long', $time)],
    ['DRSessionCookie s Path=app', qr/DRSessionCookie s: Path does not begin/],
    ['DRSessionCookie s Path=', qr/DRSessionCookie s: Path does not begin/],
    ['DRSessionCookie s "Path=/;x"', qr/DRSessionCookie s: Path has a ';'/],
    ['DRSessionCookie s "Domain=a;b"', qr/DRSessionCookie s: Domain/],
    ['DRSessionCookie s Domain=', qr/DRSessionCookie s: Domain/],
    ["DRSessionCookie s Path=/" . 'x' x 2000, qr/DRSessionCookie s: Path/],
    ['DRSessionCookie s SameSite=None', qr/SameSite=None.*Secure=on/],
    ['DRSessionCookie s SameSite=None Secure=off', qr/SameSite=None.*Secure=on/],
    ['DRSessionCookie s Partitioned', qr/Partitioned.*Secure=on/],
    ['DRSessionCookie __Host-s Domain=a.example', qr/__Host-s: .*Domain/],
    ['DRSessionCookie __Host-s Path=/app', qr/__Host-s: .*Path/],
    ['DRSessionCookie __Host-s Secure=off', qr/__Host-s: .*Secure/],
    ['DRSessionCookie __host-s Secure=off', qr/__host-s: .*Secure/],
    ['DRSessionCookie __Secure-s Secure=off', qr/__Secure-s: .*Secure/]);

my $shorter = qr/DRSessionMaxLifetime is shorter than DRSessionIdle/;

sub within { my ($what, $text) = @_; return "<$what>\n$text\n</"
    . ($what =~ /^(\w+)/)[0] . ">\n" }

refused('contradictions_across_sections_are_refused',
    ["DRSessionIdle 2h\nDRSessionMaxLifetime 1h", $shorter],
    ["DRSessionMaxLifetime 1h\nDRSessionIdle 2h", $shorter],
    ["DRSessionMaxLifetime 1h\n"
        . within('VirtualHost *:1', 'DRSessionIdle 2h'), $shorter],
    [within('VirtualHost *:1', 'DRSessionMaxLifetime 1h')
        . 'DRSessionIdle 2h', $shorter],
    [within('Location /a', "DRSessionMaxLifetime 1h\nDRSessionIdle 61min"),
        $shorter],
    ["DRSessionIdle 2h\n" . within('Location /a', 'DRSessionMaxLifetime 1h'),
        qr{$shorter; seen in the section '/a'}],
    ["DRSessionMaxLifetime 1h\n" . within('Directory /a', 'DRSessionIdle 2h'),
        qr{$shorter; seen in the section '/a/'}],
    ["DRSessionMaxLifetime 1h\n" . within('Files a.cgi', 'DRSessionIdle 2h'),
        qr{$shorter; seen in the section 'a.cgi'}],
    ["DRSessionMaxLifetime 1h\n" . within('If "true"', 'DRSessionIdle 2h'),
        $shorter],
    ["DRSessionMaxLifetime 1h\n"
        . within('LocationMatch "^/[ab]"', 'DRSessionIdle 2h'), $shorter],
    ["DRSessionMaxLifetime 1h\n" . within('Directory /a',
        within('Files b', 'DRSessionIdle 2h')), $shorter],
    [within('Location /a', 'DRSessionIdle 2h')
        . within('VirtualHost *:1', 'DRSessionMaxLifetime 1h'),
        qr{$shorter; seen in the section '/a'}],
    [within('VirtualHost *:1', "DRSessionMaxLifetime 1h\n"
        . within('Location /a', 'DRSessionIdle 2h')), $shorter],
    ["DRSessionEnv SHOP\n"
        . within('Location /a', 'DRSessionExport a b=SHOP_A'),
        says('DRSessionExport', 'SHOP_A', $same)],
    ["DRSessionExport a=SHOP_STATUS\n"
        . within('Location /a', 'DRSessionEnv SHOP'),
        says('DRSessionExport', 'SHOP_STATUS', $variable)]);

# What the manual shows is right; its files are not here.
{
    my $manual = DRS::Httpd::slurp("$FindBin::Bin/../docs/directives.md");
    my @shown = grep { !/file:/ } $manual =~ /^Example: `(.+)`$/mg;
    my $sections = () = $manual =~ /^## DRSession/mg;
    is @shown, $sections - 1, 'every directive but one is tried as it is shown';
    taken('the_examples_of_the_manual_are_taken', @shown);
}

taken('what_is_right_is_taken',
    'DRSession On', 'DRSession off', 'DRSession READONLY',
    'DRSessionServer redis://127.0.0.1', 'DRSessionServer redis://h:1/15',
    'DRSessionServer REDIS://user:p%40ss@h:6380/1',
    'DRSessionServer redis://:pass@[::1]:6379',
    'DRSessionServer unix:///run/redis.sock?db=3',
    (map { "DRSessionIdle $_" }
        qw(0 90 90s 90S 500ms 30min 30MIN 12h 7d 36500d)),
    'DRSessionMaxLifetime 30d',
    "DRSessionIdle 1h\nDRSessionMaxLifetime 1h",
    "DRSessionIdle 0\nDRSessionMaxLifetime 1h",
    "DRSessionIdle 1h\nDRSessionMaxLifetime 0",
    'DRSessionTimeout connect=1ms', 'DRSessionTimeout command=2 request=1min',
    'DRSessionTimeout CONNECT=1s Command=1s REQUEST=3s',
    'DRSessionPool Off', 'DRSessionPool max=1', 'DRSessionPool max=100000',
    'DRSessionPool idle=0 wait=0', 'DRSessionPool max=4 idle=5min wait=50ms',
    "DRSessionPool Off\n" . within('VirtualHost *:1', 'DRSessionPool max=4'),
    'DRSessionPrefix s', "DRSessionPrefix '{app}:session:\"'",
    'DRSessionPrefix ' . 'x' x 255,
    'DRSessionCookie sid', 'DRSessionCookie sid Path=/app Domain=a.example',
    'DRSessionCookie sid samesite=STRICT secure=ON httponly=Off',
    'DRSessionCookie sid SameSite=None Secure=on Partitioned',
    'DRSessionCookie sid Max-Age=session', 'DRSessionCookie sid Max-Age=400d',
    'DRSessionCookie __Host-sid', 'DRSessionCookie __Host-sid Secure=on Path=/',
    'DRSessionCookie __Secure-sid', 'DRSessionCookie __Secure-sid Domain=a.b',
    'DRSessionTouch off', 'DRSessionStrict OFF',
    'DRSessionOnError PASS', 'DRSessionCodec json', 'DRSessionCodec raw',
    'DRSessionLimit value=1', 'DRSessionLimit value=256m fields=2048',
    'DRSessionLimit VALUE=64K fields=1',
    'DRSessionEnv SHOP', 'DRSessionEnv _', 'DRSessionEnv HTTPS',
    'DRSessionExport user', 'DRSessionExport "a b=A_B" c.d=C_D',
    "DRSessionExport \xc3\xa4=AE", 'DRSessionExport user=USER list=LIST',
    'DRSessionExport ' . join(' ', map { "f$_" } 1 .. 100),
    'DRSessionChildAccess on', 'DRSessionChildAccess Off',
    'DRSessionChildAccess redis://child:pw@h:1/2',
    'DRSessionAllow read *', 'DRSessionAllow WRITE a b *', 'DRSessionAllow end',
    "DRSessionAllow read a\nDRSessionAllow write a\nDRSessionAllow end",
    # What another section may mend is not judged before it happens.
    "DRSessionMaxLifetime 1h\n" . within('Location /a', 'DRSessionIdle 2h')
        . within('Location /b', 'DRSessionMaxLifetime 1d'),
    "DRSessionMaxLifetime 1h\nDRSessionIdle 1h\n"
        . within('Location /a', "DRSessionIdle 2h\nDRSessionMaxLifetime 3h"),
    (map { within($_, "DRSession On\nDRSessionIdle 5\nDRSessionPrefix x:\n"
        . "DRSessionCookie s\nDRSessionExport a\nDRSessionAllow read a") }
        'VirtualHost *:1', 'Directory /', 'Location /', 'Files x',
        'If "true"', 'LocationMatch "^/"'));

# Which value wins, seen from outside: key, cookie and expiry of a new session.
my $site = start_httpd(redis => $redis, start => 0,
    docs => { map { $_ => 'x' } qw(x.txt sub/x.txt sub/f.txt sub/deep/x.txt) },
    cgi => { env => "#!/bin/sh\nprintf 'Content-Type: text/plain\\r\\n\\r\\n'\n"
        . "env | grep -E '^(DRSESSION|SHOP|[A-D])_' | LC_ALL=C sort\n" });
my $docs = $site->dir . '/docs';
my $host = '127.0.0.1:' . $site->port;
$site->{conf} = <<"CONF"
DRSession On
DRSessionPrefix server:
DRSessionCookie server Path=/ Max-Age=session
DRSessionIdle 100
DRSessionMaxLifetime 9000
DRSessionExport a b
DRSessionExport c=C_C
DRSessionAllow read a
DRSessionAllow read b
DRSessionAllow write *
CONF
    . within("Directory $docs", 'SetHandler drstest')
    . within('Location /rest', 'SetHandler drsession')
    . within('Location /rest/own', 'DRSessionAllow read c')
    . within("VirtualHost $host", 'ServerName plain')
    . within("VirtualHost $host", "ServerName own\n"
        . "DRSessionPrefix vhost:\nDRSessionIdle 200\n"
        . within("Directory $docs/sub", "DRSessionCookie dir\nDRSessionIdle 300")
        . within("Directory $docs/sub/deep", 'DRSessionIdle 400')
        . within('Files f.txt', 'DRSessionIdle 500')
        . within('Location /sub/deep', 'DRSessionPrefix location:')
        . within('Location /sub/f.txt', 'DRSessionCookie location')
        . within(q(If "%{QUERY_STRING} == 'if'"), "DRSessionIdle 600\n"
            . 'DRSessionCookie if'))
    . within("VirtualHost $host", "ServerName meets\n"
        . within('Location /sub', 'DRSessionIdle 20000')
        . within('Location /other', 'DRSessionMaxLifetime 1d'))
    . within("VirtualHost $host", "ServerName lists\nDRSessionExport d b\n"
        . "DRSessionAllow read d\n"
        . within('Location /cgi/env/env', 'DRSessionEnv SHOP')
        . within('Location /cgi/env/own', "DRSessionExport a=A_A\n"
            . 'DRSessionExport c=C_C d=D_D')
        . within('Location /cgi/env/own/deep', 'DRSessionExport b=B_B'));
$site->start;

sub effective {
    my ($name, $path) = @_;
    my $r = $site->request('POST', $path, headers => { Host => $name },
        body => "set x 1\nkey\n");
    my ($key) = $r->{body} =~ /^ok (.*)/m;
    my ($prefix) = $key =~ /^(.*:)/;
    my ($cookie) = (header($r, 'Set-Cookie') // '') =~ /^([^=]*)=/;
    return join ' ', $prefix, $cookie,
        int(($redis->cmd('PTTL', $key) + 999) / 1000);
}

subtest 'the_nearest_section_wins_setting_by_setting' => sub {
    is effective(@$_[0, 1]), $_->[2], "$_->[0]$_->[1] has $_->[2]" for
        ['plain', '/x.txt', 'server: server 100'],
        ['plain', '/sub/deep/x.txt', 'server: server 100'],
        ['own', '/x.txt', 'vhost: server 200'],
        ['own', '/sub/x.txt', 'vhost: dir 300'],
        ['own', '/sub/f.txt', 'vhost: location 500'],
        ['own', '/sub/deep/x.txt', 'location: dir 400'],
        ['own', '/x.txt?if', 'vhost: if 600'],
        ['own', '/sub/deep/x.txt?if', 'location: if 600'];
};

subtest 'no_key_outlives_its_session_where_sections_meet' => sub {
    like effective('meets', '/sub/x.txt'), qr/^server: server (?:8999|9000)$/,
        'the lifetime has the last word';
};

# Names of the variables, names of the readable fields.
sub lists {
    my ($name, $kind, $path) = @_;
    my $jar = jar();
    my @host = (Host => $name);
    $site->request('POST', '/x.txt', jar => $jar, headers => {@host},
        body => "set a 1\nset b 2\nset c 3\nset d 4\n");
    my $r = $site->get($path, jar => $jar, headers => {@host});
    return join ' ', $kind eq 'env' ? $r->{body} =~ /^(\w+)=/mg
        : sort $r->{body} =~ /"(\w+)"/g;
}

subtest 'a_list_adds_up_in_its_section_and_replaces_the_inherited' => sub {
    is lists(@$_[0, 1, 2]), $_->[3], "$_->[0]$_->[2] has $_->[3]" for
        ['plain', 'env', '/cgi/env', 'C_C DRSESSION_STATUS DRSESSION_a DRSESSION_b'],
        ['lists', 'env', '/cgi/env', 'DRSESSION_STATUS DRSESSION_b DRSESSION_d'],
        ['lists', 'env', '/cgi/env/env', 'SHOP_STATUS SHOP_b SHOP_d'],
        ['lists', 'env', '/cgi/env/own', 'A_A C_C DRSESSION_STATUS D_D'],
        ['lists', 'env', '/cgi/env/own/deep', 'B_B DRSESSION_STATUS'],
        ['plain', 'rest', '/rest/', 'a b'],
        ['plain', 'rest', '/rest/own', 'detail error forbidden'],
        ['lists', 'rest', '/rest/', 'd'];
};
error_log_is_clean($site);
$site->stop;

# What a directory's own file may say, and who may let it.
my $folders = start_httpd(redis => $redis, start => 0, docs => {
    (map { ("$_/x.txt" => 'x') } qw(auth auth/ro auth/bad none file all)),
    'auth/.htaccess' => "DRSession Off\n",
    'auth/ro/.htaccess' => "DRSession ReadOnly\n",
    'auth/bad/.htaccess' => "DRSession Perhaps\n",
    'none/.htaccess' => "DRSession Off\n",
    'file/.htaccess' => "DRSession Off\n" });
$folders->{conf} = "DRSession On\n" . join '', map {
    my ($name, $allow) = @$_;
    within('Directory ' . $folders->dir . "/docs$name",
        "SetHandler drstest\nAllowOverride $allow")
} ['', 'None'], ['/auth', 'AuthConfig'], ['/file', 'FileInfo Limit Indexes'],
    ['/all', 'All'];
$folders->start;

subtest 'htaccess_turns_sessions_on_and_off_where_authconfig_is_allowed' => sub {
    my $log = qr{htaccess: DRSession not allowed here};
    is $folders->drs({ path => "/$_->[0]/x.txt" }, 'set a 1'), $_->[1],
        "$_->[0]: $_->[1]" for ['none', 'ok'], ['auth', 'off'],
        ['auth/ro', 'readonly'], ['auth/bad', 'http:500'], ['file', 'http:500'];
    like $folders->error_log, $log, 'the log says that it is not allowed';
    like $folders->error_log, says('DRSession', 'Perhaps', 'On, Off or ReadOnly'),
        'and what is wrong with a bad word';
};

subtest 'htaccess_says_nothing_else' => sub {
    for my $line ('Server redis://h', 'Credentials file:x', 'Timeout request=1s',
        'Pool Off', 'Prefix x:', 'Cookie s', 'Idle 5', 'MaxLifetime 5',
        'Touch Off', 'Strict Off', 'OnError pass', 'Codec raw',
        'Limit fields=1', 'Env X', 'Export a', 'Allow read *',
        'ChildAccess On') {
        my ($word) = $line =~ /(\w+)/;
        $folders->add('docs/all/.htaccess', "DRSession$line\n");
        is $folders->get('/all/x.txt')->{status}, 500, "DRSession$word";
        like $folders->error_log, qr/htaccess: DRSession$word not allowed here/,
            'and the log says why';
    }
};
error_log_is_clean($folders, qr/htaccess: DRSession/);
$folders->stop;

# Where passwords come from. One that hangs is watched while others run.
my $place = $tester->dir;
my $hanging = DRS::Proc::spawn(log => "$place/hanging.out",
    env => DRS::Httpd::env(), argv => [
    DRS::Httpd::program(), '-t', '-f', $tester->write_conf('hanging.conf',
        $tester->conf_text('DRSessionCredentials "exec:/bin/sleep 600"'))]);
my $hung_since = time;

my %file = (empty => '', blank => "\nsecond\n", cr => "\r\n",
    long => 'x' x 1025 . "\n", nul => "pass\0word\n", open => "S3cr3t\n",
    group => "S3cr3t\n");
for my $which (sort keys %file) {
    $tester->add("pw/$which", $file{$which});
    chmod $which eq 'open' ? 0644 : 0640, "$place/pw/$which";
}
POSIX::mkfifo("$place/pw/pipe", 0600) or die "mkfifo: $!";
my $from = qr/DRSessionCredentials: /;
my $line = qr/is a password of 1 to 1024 bytes/;
$tester->add('cgi/fail', "#!/bin/sh\necho S3cr3t\nexit 3\n");
$tester->add('cgi/die', "#!/bin/sh\necho S3cr3t\nkill -9 \$\$\n");
$tester->add('cgi/quiet', "#!/bin/sh\nexit 0\n");

refused('a_password_that_cannot_be_had_is_refused',
    ['DRSessionCredentials', qr/DRSessionCredentials takes 1-2 arguments/],
    ['DRSessionCredentials hunter', qr/${from}the password comes from file:path/],
    ['DRSessionCredentials me hunter', qr/$from.*file:path or exec:command/],
    ['DRSessionCredentials File:pw', qr/$from.*file:path or exec:command/],
    ['DRSessionCredentials file:', qr/${from}it is no plain file/],
    ['DRSessionCredentials file:pw/none', qr/${from}the file cannot be opened: No/],
    ['DRSessionCredentials file:pw', qr/${from}it is no plain file/],
    ['DRSessionCredentials file:pw/pipe', qr/${from}it is no plain file/],
    (map { ["DRSessionCredentials file:pw/$_",
        qr/${from}the first line of the file $line/] } qw(empty blank cr long)),
    ['DRSessionCredentials file:pw/nul', qr/${from}a NUL byte in what the file/],
    ['DRSessionCredentials exec:', qr/${from}the command cannot be run/],
    ['DRSessionCredentials exec:/no/such', qr/${from}the command cannot be run/],
    ["DRSessionCredentials exec:$place/pw/open", qr/${from}the command cannot be/],
    ["DRSessionCredentials exec:$place/cgi/fail", qr/${from}the command failed/],
    ["DRSessionCredentials exec:$place/cgi/die", qr/${from}the command failed/],
    ["DRSessionCredentials exec:$place/cgi/quiet",
        qr/${from}the first line of the command $line/]);

subtest 'a_password_that_everyone_may_read_is_warned_of' => sub {
    my $warning = qr/DRSessionCredentials: .*can be read by everyone/;
    my ($code, $out) = $tester->conftest('DRSessionCredentials file:pw/open');
    is $code, 0, 'it is taken';
    like $out, $warning, 'with a warning';
    unlike $out, qr/S3cr3t/, 'that does not show it';
    ($code, $out) = $tester->conftest('DRSessionCredentials file:pw/group');
    is $code, 0, 'one for the group alone';
    unlike $out, $warning, 'is not warned of';
};

my $guarded = start_redis(pass => 'p s#1', args => ['--requirepass', 'p s#1']);
$guarded->cmd('ACL', 'SETUSER', 'app', 'on', '>app-pw', '~*', '+@all');
my %pw = (lf => "p s#1\n", crlf => "p s#1\r\n", bare => 'p s#1',
    two => "p s#1\nother\n", app => "app-pw\n", wrong => "wrong-pw\n");
my $asks = start_httpd(start => 0);
for my $which (keys %pw) {
    $asks->add("pw/$which", $pw{$which});
    chmod 0600, "$asks->{dir}/pw/$which";
}
my $asks_dir = $asks->dir;
my $port = $guarded->port;
my %vhost = (
    inherits => '',
    (map { $_ => "DRSessionCredentials file:pw/$_" } qw(lf crlf bare two wrong)),
    absolute => "DRSessionCredentials file:$asks_dir/pw/lf",
    user => 'DRSessionCredentials default file:pw/lf',
    app => 'DRSessionCredentials app file:pw/app',
    exec => "DRSessionCredentials \"exec:/bin/cat $asks_dir/pw/two\"",
    quoted => q(DRSessionCredentials "exec:/bin/sh -c 'echo \"p s#1\"'"),
    path => q(DRSessionCredentials "exec:printf '%s' 'p s#1'"),
    noisy => q(DRSessionCredentials "exec:/bin/sh -c 'echo \"p s#1\";)
        . q( seq 100000'"),
    url => "DRSessionServer redis://app:app-pw\@127.0.0.1:$port",
    url_wrong => "DRSessionServer redis://app:wrong-pw\@127.0.0.1:$port",
    both => "DRSessionServer redis://app:wrong-pw\@127.0.0.1:$port\n"
        . 'DRSessionCredentials file:pw/lf',
);
$asks->{conf} = "LogLevel trace8\nDRSession On\nDRSessionServer "
    . $guarded->url('tcp') . "\nDRSessionCredentials app file:pw/app\n"
    . within('Location /server-info', 'SetHandler server-info')
    . within('Location /rest', "SetHandler drsession\nDRSessionAllow write *")
    . within('Location /child', 'DRSessionChildAccess redis://c:child-pw@h')
    . join '', map { within('VirtualHost 127.0.0.1:' . $asks->port,
        "ServerName $_\n$vhost{$_}") } sort keys %vhost;
$asks->start;

subtest 'a_password_comes_from_a_file_a_command_or_the_url' => sub {
    for my $which (sort keys %vhost) {
        my $wanted = $which =~ /wrong/ ? 'down' : 'ok';
        is $asks->drs({ headers => { Host => $which } }, 'set a 1'), $wanted,
            "$which: $wanted";
    }
};

subtest 'no_password_is_shown' => sub {
    my $page = $asks->get('/server-info', headers => { Host => 'lf' })->{body};
    like $page, qr/DRSessionServer.*\*\*\*\@127\.0\.0\.1:$port/,
        'mod_info has the directive';
    unlike $page, qr/(?:app|wrong|child)-pw/, 'without its password';
    for my $what (qw(-S -DDUMP_CONFIG -DDUMP_RUN_CFG -DDUMP_MODULES -M)) {
        my ($code, $out) = $asks->conftest($asks->{conf}, $what);
        is $code, 0, "httpd -t $what";
        unlike $out, qr/(?:app|wrong|child)-pw/, 'shows none';
        like $out, qr/DRSessionServer redis:\S+\@127/, 'but the rest'
            if $what eq '-DDUMP_CONFIG';
    }
    my $r = $asks->request('PUT', '/rest/a', body => 1,
        headers => { Host => 'wrong' });
    is $r->{status}, 503, 'a refused password is 503';
    unlike $r->{body}, qr/wrong-pw/, 'that does not say it';
    like $asks->error_log, qr{drsession:error.*/rest/a}, 'and is logged';
    unlike $asks->error_log, qr/p s#1|(?:app|wrong|child)-pw/, 'but not shown there';
    like $asks->error_log, qr/:trace[4-8]\]/, 'which says a lot';
};
error_log_is_clean($asks, qr/\[drsession:error\]/);
$_->stop for $asks, $guarded;

subtest 'no_refusal_shows_a_password' => sub {
    for my $text ((map { "DRSessionServer $_" } 'redis://u:S3cr3t@h:0',
        'redis://u:S3cr3t%zz@h', 'redis://u:S3cr3t@h/x', 'redis://u:S3cr3t@',
        'redis://u:S3@cr3t@h', 'redis://u:a/S3cr3t@h', 'redis:u:S3cr3t@h',
        'rediss://u:S3cr3t@h', 'sentinel://u:S3cr3t@h/m', 'S3cr3t',
        'http://u:S3cr3t@h', 'unix://u:S3cr3t@/x', 'unix:///x?pass=S3cr3t',
        'redis://u:S3cr3t@h more', '"redis://u:S3cr3t @h"'),
        within('Location /', 'DRSessionServer redis://u:S3cr3t@h'),
        (map { "DRSessionChildAccess $_" } 'S3cr3t', 'redis://u:S3cr3t@h:0'),
        (map { "DRSessionCredentials $_" } 'S3cr3t', 'user S3cr3t',
        'user S3cr3t more', 'file:S3cr3t', 'password:S3cr3t', 'exec:S3cr3t')) {
        my ($code, $out) = $tester->conftest($text);
        isnt $code, 0, "refused: $text";
        like $out, qr/DRSession/, 'by name';
        unlike $out, qr/S3|cr3t/, 'and not shown';
    }
};

subtest 'a_command_that_hangs_is_given_up' => sub {
    waitpid $hanging, 0;
    isnt $? >> 8, 0, 'refused';
    # When it said so; the tests in between take their time.
    cmp_ok +(stat "$place/hanging.out")[9] - $hung_since, '<', 20, 'in time';
    like DRS::Httpd::slurp("$place/hanging.out"),
        qr/DRSessionCredentials: the command took longer than 10s/,
        'in clear words';
};

done_testing;
