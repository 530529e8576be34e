#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# DRSessionForward: a proxied backend sees true fields of the session in
# request headers, and nothing that a client wrote there. Nor do programs in
# exported variables.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/lib";
use DRS;
use DRS::Backend;
use Test::More;

needs(qw(include proxy proxy_http headers));
my $redis   = start_redis();
my $backend = DRS::Backend->new;
my $url     = $backend->url('http');
my $conf    = <<"CONF";
DRSession On
DRSessionIdle 1h
ProxyPass /plain $url
ProxyPass /fail $url
ProxyPass /pass $url
ProxyPass /both $url
ProxyPass /two $url
ProxyPass /off $url
ProxyPass /other $url
ProxyPass /doc $url
<LocationMatch "^/(?:fail|pass|off|doc)">
    DRSessionForward user X-Session-User
</LocationMatch>
<Location /pass>
    DRSessionOnError pass
</Location>
<Location /doc>
    DRSessionOnError pass
</Location>
<Location /off>
    DRSession Off
</Location>
<Location /both>
    DRSessionExport user n
    DRSessionForward user X-Session-User
    DRSessionForward n X-N
    RequestHeader set X-Env %{DRSESSION_n}e
</Location>
<Location /two>
    DRSessionForward user X-Session-User
</Location>
<Location /two/x>
    DRSessionForward n X-N
</Location>
<Location /gone>
    ErrorDocument 404 /doc/echo
</Location>
<Location /failed>
    DRSessionForward user X-Session-User
    ErrorDocument 404 /other/echo
</Location>
CONF
my $httpd = start_httpd(redis => $redis, conf => $conf,
    modules => [qw(proxy proxy_http)], cgi => { env => "#!/bin/sh\n"
    . "printf 'Content-Type: text/plain\\r\\n\\r\\n'; env\n" },
    docs => {
        'inc.shtml' => '<!--#include virtual="/pass/echo" -->',
        'leak.shtml' => '<!--#include virtual="/pass/echo" -->'
            . '<!--#include virtual="/other/echo" -->',
    });
my $jar = jar();
$httpd->drs({ jar => $jar }, 'set user "ann"', 'set n 7');

# What the backend saw of the header, under whatever spelling.
sub seen {
    my ($text) = @_;
    return map { "$_->[0]: $_->[1]" }
        grep { lc($_->[0] =~ s/[^A-Za-z0-9]/-/gr) eq 'x-session-user' }
        map { [split /:[ \t]*/, $_, 2] } split /\r\n/, $text;
}

my @names = qw(X-Session-User x-session-user X-SESSION-USER X_Session_User
    x_session_user X-Session_User X_Session-User x-SESSION_user
    X_SESSION-USER X.Session.User X!Session~User X-Session.User
    x|session|user X'Session'User X*Session-User);
my @spoofs = ((map { [[$_, 'evil']] } @names),
    [['X-Session-User', 'evil'], ['X-Session-User', 'evil2']],
    [['X_Session_User', ''], ['X-Session-User', 'evil']],
    [['X-Session-User', "evil\r\n folded"]],
    [['Connection', 'X-Session-User'], ['X-Session-User', 'evil']],
    [['Connection', 'keep-alive, x_session_user'], ['x-session-user', 'evil']]);
cmp_ok scalar(@names), '>=', 12, 'spellings enough';

# One way to the backend with each spoof; what it may see is one true line.
sub try {
    my ($name, $method, $path, $with, $true, %opt) = @_;
    my $survived = 0;
    my $wrong = 0;
    for my $spoof (@spoofs) {
        my $r = $httpd->request($method, $path, headers => $spoof,
            $with ? (jar => $with) : ());
        my @seen = seen($r->{body});
        $survived++ if $r->{body} =~ /evil/;
        $wrong++ if $r->{body} !~ /Host:/i
            || "@seen" ne (defined $true ? "X-Session-User: $true" : '');
    }
    is $survived, 0, "$name: nothing of the client's survives";
    is $wrong, 0, "$name: the backend sees "
        . (defined $true ? 'the field' : 'no such header');
}

try('no session', 'GET', '/fail/echo', undef, undef);
try('a session', 'GET', '/fail/echo', $jar, 'ann');
try('an unknown id', 'GET', '/fail/echo', jar(drsession => 'q' x 44), undef);
try('a malformed id', 'GET', '/fail/echo', jar(drsession => 'q'), undef);
try('OPTIONS', 'OPTIONS', '/fail/echo', $jar, 'ann');
try('OPTIONS without a session', 'OPTIONS', '/fail/echo', undef, undef);
try('POST', 'POST', '/fail/echo', $jar, 'ann');
try('an error document', 'GET', '/gone/x', $jar, 'ann');
try('one without a session', 'GET', '/gone/x', undef, undef);
try('a subrequest', 'GET', '/inc.shtml', $jar, 'ann');
try('one without a session', 'GET', '/inc.shtml', undef, undef);
try('DRSession Off', 'GET', '/off/echo', $jar, undef);

subtest 'a_field_goes_to_its_backend_only' => sub {
    my $text = $httpd->get('/leak.shtml', jar => $jar)->{body};
    is_deeply [seen($text)], ['X-Session-User: ann'],
        'not to the next one of the same page';
    $text = $httpd->get('/failed/x', jar => $jar)->{body};
    is_deeply [seen($text)], [], 'nor to that of an error document';
};

subtest 'values' => sub {
    my %shown = ('"x y"' => 'x y', '12.50' => '12.50', 'true' => 'true',
        'null' => '', '[1, "x"]' => '[1, "x"]', '"\u00e4"' => "\xC3\xA4");
    for my $json (sort keys %shown) {
        $httpd->drs({ jar => $jar }, "set user $json");
        is_deeply [seen($httpd->get('/fail/echo', jar => $jar)->{body})],
            ["X-Session-User: $shown{$json}"], $json;
    }
    for my $json ('"a\r\nX-Evil: 1"', '"a\nb"', '"a\u0000b"', '"\u0007"',
        '"\u007f"') {
        $httpd->drs({ jar => $jar }, "set user $json");
        my $text = $httpd->get('/fail/echo', jar => $jar,
            headers => [['X_Session_User', 'evil']])->{body};
        is_deeply [seen($text)], [], "$json is not forwarded";
        unlike $text, qr/evil/i, 'nor anything else';
    }
    $httpd->drs({ jar => $jar }, 'set user "ann"');
};

subtest 'one_round_trip_with_the_exports' => sub {
    my $text;
    my $cost = $redis->count_reads(sub {
        $text = $httpd->get('/both/echo', jar => $jar)->{body};
    });
    is $cost, 1, 'one';
    is_deeply [seen($text)], ['X-Session-User: ann'], 'a field';
    like $text, qr/^X-N: 7\r$/m, 'another one';
    like $text, qr/^X-Env: 7\r$/m, 'and one that is exported';
    $cost = $redis->count_reads(sub {
        $httpd->get('/inc.shtml', jar => $jar);
    });
    is $cost, 1, 'one for a subrequest';
    $cost = $redis->count_commands(sub { $httpd->get('/fail/echo') });
    is $cost, 0, 'none without a cookie';
    my $r = $httpd->get('/fail/echo', jar => $jar);
    like header($r, 'Vary'), qr/Cookie/, 'the response depends on the session';
};

subtest 'a_section_with_a_list_of_its_own_replaces' => sub {
    my $text = $httpd->get('/two/x/echo', jar => $jar)->{body};
    is_deeply [seen($text)], [], 'the inherited one';
    like $text, qr/^X-N: 7\r$/m, 'by its own';
};

subtest 'what_httpd_refuses' => sub {
    my %bad = ('user' => qr/two arguments|takes/,
        'user Host' => qr/'Host'/, 'user cookie' => qr/'cookie'/,
        'user Content_Length' => qr/'Content_Length'/,
        'user X:Y' => qr/'X:Y'/, 'user "X Y"' => qr/'X Y'/,
        'user 1X' => qr/'1X'/, 'user X.Y' => qr/'X.Y'/,
        '"" X-A' => qr/takes/, 'x' x 256 . ' X-A' => qr/1 to 255/);
    for my $words (sort keys %bad) {
        my ($code, $out) = $httpd->conftest("DRSessionForward $words\n");
        isnt $code, 0, substr $words, 0, 40;
        like $out, $bad{$words}, 'and says why';
    }
    my ($code, $out) = $httpd->conftest("DRSessionForward a X-A\n"
        . "DRSessionForward b x_a\n");
    isnt $code, 0, 'two fields of one header';
    like $out, qr/DRSessionForward.*'x_a'/, 'and says which';
    for my $line ('DRSessionForward a X-A', "<Location /x>\n<If true>\n"
        . "DRSessionForward a X-A\n</If>\n</Location>") {
        ($code, $out) = $httpd->conftest("MergeTrailers On\n$line\n");
        isnt $code, 0, 'trailers that become headers behind our back';
        like $out, qr/DRSessionForward.*MergeTrailers/, 'and says so';
        ($code) = $httpd->conftest("MergeTrailers Off\n$line\n");
        is $code, 0, 'as trailers they may come';
    }
    ($code) = $httpd->conftest("DRSessionForward a X-A\n"
        . "DRSessionForward a X-B\nDRSessionHeader On\n");
    is $code, 0, 'one field as two headers is fine';
};

$redis->stop;
try('Redis down, pass', 'GET', '/pass/echo', $jar, undef);
try('Redis down, OPTIONS', 'OPTIONS', '/pass/echo', $jar, undef);
try('Redis down, an error document', 'GET', '/gone/x', $jar, undef);
try('Redis down, a subrequest', 'GET', '/inc.shtml', $jar, undef);
my $r = $httpd->get('/fail/echo', jar => $jar);
is $r->{status}, 503, 'Redis down, fail: 503';
is header($r, 'Retry-After'), 1, 'with Retry-After';
is $httpd->get('/fail/echo')->{status}, 200, 'not without a session';
$redis->start;

error_log_is_clean($httpd,
    qr/DRSessionForward has no answer|sessions are down: /);
$httpd->stop;

# mod_dir puts a file in the place of a request when its headers and variables
# are made already, for another section.
subtest 'the_index_of_a_folder' => sub {
    my $env = "#!/bin/sh\nprintf 'Content-Type: text/plain\\r\\n\\r\\n'; env\n";
    my $httpd = start_httpd(redis => $redis, cgi => { 'a/index.cgi' => $env,
        'b/index.cgi' => $env, 'c/index.cgi' => $env }, conf => <<'CONF');
DRSession On
DRSessionIdle 1h
DirectoryIndex index.cgi
<FilesMatch "cgi$">
    DRSessionForward user X-Session-User
    DRSessionExport n
</FilesMatch>
<Location /none>
    FallbackResource /cgi/b/index.cgi
</Location>
<LocationMatch "^/cgi/c/$">
    DRSessionForward n X-N
    DRSessionExport user
    DRSessionChildAccess On
</LocationMatch>
<LocationMatch "^/cgi/c/index">
    DRSession Off
</LocationMatch>
CONF
    my $jar = jar();
    $httpd->drs({ jar => $jar }, 'set user "ann"', 'set n 7');
    my $seen = sub {
        my ($path, $with) = @_;
        my $r = $httpd->get($path, jar => $with // jar(),
            headers => [['X-Session-User', 'evil'], ['X-N', 'of mine']]);
        return join ' ', sort grep { /^(?:DRSESSION_|HTTP_X_)/ }
            split /\n/, $r->{body};
    };
    for my $path (qw(/cgi/a/index.cgi /cgi/a/ /none)) {
        is $seen->($path, $jar), 'DRSESSION_STATUS=live DRSESSION_n=7 '
            . 'HTTP_X_N=of mine HTTP_X_SESSION_USER=ann', $path;
        is $seen->($path), 'DRSESSION_STATUS=none HTTP_X_N=of mine',
            "$path without a session";
        is $redis->count_reads(sub { $seen->($path, $jar) }), 1,
            'in one round trip';
    }
    is $seen->('/cgi/c/', $jar), '', 'where it is Off nothing is shown';
    error_log_is_clean($httpd);
    $httpd->stop;
};

# The same for variables: what a client says in headers, and what rules of the
# configuration make of it before the session is exported.
subtest 'exported_variables_cannot_be_planted' => sub {
    my @planted = qw(DRSESSION_user drsession_user Drsession_USER DRSESSION_n
        DRSESSION_STATUS drsession_status DRSESSION_KEY Drsession_Key
        DRSESSION_URL DRSESSION_IDLE DRSESSION_other SHOP_CART shop_cart);
    my @headers = map { [$_, 'evil'] } qw(Spoof DRSESSION_user DRSESSION-user
        drsession-user drsession_user DRSESSION.user DRSESSION-USER
        DRSESSION-STATUS DRSESSION_STATUS Http-DRSESSION-user
        Redirect-DRSESSION-user DRSESSION-KEY DRSESSION-URL SHOP-CART
        SHOP_CART HTTP_DRSESSION_user);
    my $rules = "RewriteEngine On\nRewriteCond %{HTTP:Spoof} (.+)\n"
        . 'RewriteRule ^ - [' . join(',', map { "E=$_:%1" } @planted) . "]\n";
    my $httpd = start_httpd(redis => $redis, cgi => { env => "#!/bin/sh\n"
        . "printf 'Content-Type: text/plain\\r\\n\\r\\n'; env\n" },
        docs => { 'inc.shtml' => '<!--#include virtual="/cgi/env" -->' },
        conf => <<"CONF");
DRSession On
DRSessionOnError pass
SetEnvIf Spoof "(.+)" @{[map { "$_=\$1" } @planted]}
$rules
<LocationMatch "^/(?:cgi|inc)">
    DRSessionExport user cart=SHOP_CART
    $rules
</LocationMatch>
RewriteRule ^/moved\$ /cgi/env [PT]
ErrorDocument 404 /cgi/env
CONF
    my $live = jar();
    $httpd->drs({ jar => $live }, 'set user "ann"', 'set cart [1]');
    my %true = (live => 'DRSESSION_STATUS=live DRSESSION_user=ann '
        . 'SHOP_CART=[1]', none => 'DRSESSION_STATUS=none',
        unavailable => 'DRSESSION_STATUS=unavailable');
    my $see = sub {
        my ($status, $with, @how) = @_;
        for my $how (@how ? @how : (['GET', '/cgi/env'],
            ['OPTIONS', '/cgi/env'], ['POST', '/cgi/env'], ['GET', '/moved'],
            ['GET', '/no/such'], ['GET', '/inc.shtml'])) {
            my ($method, $path) = @$how;
            my $r = $httpd->request($method, $path, headers => \@headers,
                $with ? (jar => $with->copy) : ());
            is join(' ', sort grep { /^(?:DRSESSION|SHOP)_/i }
                split /\n/, $r->{body}), $true{$status},
                "$status: $method $path";
        }
    };
    $see->('none', undef);
    $see->('none', jar(drsession => 'q' x 44));
    $see->('none', jar(drsession => 'q'));
    $see->('live', $live);
    $redis->stop;
    $see->('unavailable', $live);
    $see->('none', undef);
    $redis->start;
    error_log_is_clean($httpd, qr/DRSessionExport has no answer/, qr/AH00128|sessions are down: /);
};
done_testing;
