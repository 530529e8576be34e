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
    ['DRSessionTouch Maybe', qr/DRSessionTouch must be On or Off/],
    ['DRSessionStrict 1', qr/DRSessionStrict must be On or Off/],
    ['DRSessionOnError ignore',
        says('DRSessionOnError', 'ignore', 'fail or pass')],
    ['DRSessionCodec pickle',
        says('DRSessionCodec', 'pickle', 'json, raw or a codec')],
    ['DRSessionCodec JSON', says('DRSessionCodec', 'JSON', 'json, raw')],
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

done_testing;
