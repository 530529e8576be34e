#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# A real browser on hosts of one site and of another, by http and https: what
# their pages can do to a visitor's session, and what he keeps of it.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/lib";
use DRS;
use DRS::Browser;
use Test::More;

if ($ENV{DRS_PRELOAD}) {
    plan skip_all => 'the browser is tested without sanitizers';
}
needs(qw(ssl socache_shmcb include));
plan skip_all => 'NO BROWSER TEST: chromium or chromedriver is not installed'
    unless !DRS::Browser::missing();
plan skip_all => 'NO BROWSER TEST: openssl is not installed'
    if system('command -v openssl >/dev/null') != 0;

my $redis = start_redis();
my $tls = DRS::Proc::free_port();
my $cookies = <<'CGI';
#!/bin/sh
printf 'Content-Type: text/plain\r\n\r\n%s cookie=[%s]' "$REQUEST_METHOD" "$HTTP_COOKIE"
CGI
my $httpd = start_httpd(redis => $redis, modules => [qw(ssl socache_shmcb)],
    start => 0, cgi => { cookies => $cookies },
    docs => {
        'page.html' => "<!DOCTYPE html><title>page</title><link rel=icon href='data:,'>page",
        'private.shtml' => "<!DOCTYPE html><title>p</title><link rel=icon href='data:,'>"
            . 'user=[<!--#echo var="DRSESSION_user" -->]',
    });
my $dir = $httpd->dir;
is system("openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=test"
    . " -keyout $dir/key.pem -out $dir/cert.pem 2>/dev/null"), 0,
    'a certificate is made';
$httpd->{conf} = <<"CONF";
AddType text/html .html
Listen 127.0.0.1:$tls
DRSession On
DRSessionIdle 1h
<Location /session>
    SetHandler drsession
    DRSessionAllow read *
    DRSessionAllow write *
</Location>
<Location /loose>
    SetHandler drsession
    DRSessionCookie loose SameSite=None Secure=on
    DRSessionAllow read *
    DRSessionAllow write *
</Location>
<Location /host>
    SetHandler drsession
    DRSessionCookie __Host-sid
    DRSessionAllow read *
    DRSessionAllow write *
</Location>
<Location /private.shtml>
    DRSessionExport user
    Header always set Cache-Control no-store
</Location>
<VirtualHost 127.0.0.1:$tls>
    ServerName own.victim.test
    SSLEngine On
    SSLCertificateFile $dir/cert.pem
    SSLCertificateKeyFile $dir/key.pem
</VirtualHost>
CONF
$httpd->start;

my $browser = DRS::Browser->new(names => ['*.victim.test', 'evil.test']);
my %at = (
    own     => "https://app.victim.test:$tls",
    sibling => "https://other.victim.test:$tls",
    evil    => "https://evil.test:$tls",
    plain   => 'http://app.victim.test:' . $httpd->port,
    plain_sibling => 'http://other.victim.test:' . $httpd->port,
    plain_evil    => 'http://evil.test:' . $httpd->port,
);

sub go { my ($where, $path) = @_; $browser->visit($at{$where} . ($path // '/page.html')) }

# Status of a request that a page makes with all that it has.
sub fetch {
    my ($url, %with) = @_;
    my $options = JSON::PP->new->encode({ credentials => 'include', %with });
    return $browser->promise("const r = await fetch('$url', $options);"
        . 'return r.type == "opaque" ? "opaque" : r.status;');
}

sub value {
    my ($id, $field) = @_;
    return $redis->cmd('HGET', "drsession:$id", $field);
}

# A form of the page shown that posts itself to another place.
sub post_form {
    my ($url, $more) = @_;
    $browser->script(($more // '') . "const f = document.createElement('form');"
        . "f.method = 'post'; f.action = '$url';"
        . 'document.body.append(f); f.submit()');
}

# Where a page gets something as a picture or as a script.
sub load {
    my ($kind, $url) = @_;
    return $browser->promise("return await new Promise((done) => {"
        . "const e = document.createElement('$kind');"
        . "e.onload = () => done('loaded'); e.onerror = () => done('refused');"
        . "e.src = '$url'; document.body.append(e) })");
}

my $id;
subtest 'the_cookie_is_kept_from_scripts_and_from_http' => sub {
    go('own');
    is fetch('/session/user', method => 'PUT', body => '"ann"'), 201,
        'a page of the same origin writes';
    my $cookie = $browser->cookie('drsession');
    $id = $cookie->{value};
    like $id, qr/\A[\w-]{44}\z/, 'the cookie is an id';
    ok $cookie->{httpOnly}, 'HttpOnly';
    ok $cookie->{secure}, 'Secure, because it came by https';
    is $cookie->{sameSite}, 'Lax', 'SameSite=Lax';
    is $cookie->{domain}, 'app.victim.test', 'for this host alone';
    cmp_ok $cookie->{expiry} - time, '<=', 400 * 86400, 'for 400 days at most';
    is $browser->script('return document.cookie'), '', 'no script sees it';
    go('own', '/cgi/cookies');
    like $browser->text, qr/drsession=\Q$id\E/, 'https sends it';
    go('plain', '/cgi/cookies');
    like $browser->text, qr/cookie=\[\]/, 'http does not';
    go('sibling', '/cgi/cookies');
    like $browser->text, qr/cookie=\[\]/, 'nor does it go to a sibling';
};

# What all strangers try; it is 403 or not even sent.
sub attack {
    my ($from, $base, $key) = @_;
    my @before = ($redis->cmd('DBSIZE'), join ' ', sort
        @{ $redis->cmd('HGETALL', $key) });
    my $target = "$at{own}$base";
    $target = "$at{plain}$base" if $from =~ /^plain/;
    for my $more ('', "f.enctype = 'text/plain';") {
        go($from);
        post_form("$target/n?incr=1000");
        like $browser->text_like(qr/\{/), qr/"forbidden"/,
            "$from: a form $more is refused";
    }
    go($from);
    for my $try (['POST', '/n?incr=1000'], ['POST', '/?regenerate'],
        ['POST', '/user?pop'], ['PUT', '/user', '"eve"'], ['DELETE', '/'],
        ['PATCH', '/', '{"user":"eve"}']) {
        my ($method, $path, $body) = @$try;
        my %body = defined $body ? (body => $body) : ();
        my $said = fetch("$target$path", method => $method, %body);
        ok $said eq 'failed', "$from: $method $path shows nothing"
            or diag $said;
        $said = fetch("$target$path", method => $method, mode => 'no-cors', %body);
        ok $said =~ /^(?:failed|opaque)$/, 'nor without CORS' or diag $said;
    }
    is load($_, "$target/user"), 'refused', "$from: $_ gets nothing"
        for qw(img script);
    is fetch("$target/user"), 'failed', "$from: no page reads it";
    is_deeply [$redis->cmd('DBSIZE'),
        join ' ', sort @{ $redis->cmd('HGETALL', $key) }], \@before,
        "$from: and nothing has changed";
}

subtest 'no_page_of_another_site_changes_or_reads_a_session' => sub {
    attack('evil', '/session', "drsession:$id");
};

subtest 'nor_does_one_where_the_cookie_is_sent_to_all_sites' => sub {
    go('own');
    is fetch('/loose/user', method => 'PUT', body => '"ann"'), 201, 'a session';
    my $loose = $browser->cookie('loose')->{value};
    go('evil');
    is fetch("$at{own}/cgi/cookies", mode => 'no-cors'), 'opaque', 'it goes';
    attack('evil', '/loose', "drsession:$loose");
};

subtest 'nor_does_a_page_of_a_sibling_host' => sub {
    attack('sibling', '/session', "drsession:$id");
};

subtest 'by_http_the_origin_alone_tells_a_stranger' => sub {
    $browser->visit("$at{plain}/page.html");
    is fetch('/session/user', method => 'PUT', body => '"pat"'), 201,
        'a page of the same origin writes';
    my $plain = $redis->cmd('KEYS', '*');
    my ($key) = grep { $redis->cmd('HGET', $_, 'user') eq '"pat"' } @$plain;
    attack('plain_sibling', '/session', $key);
    attack('plain_evil', '/session', $key);
    $redis->cmd('DEL', $key);
};

subtest 'a_cross_site_post_has_no_cookie_and_a_link_has' => sub {
    go('evil');
    post_form("$at{own}/cgi/cookies");
    unlike $browser->text_like(qr/POST cookie/), qr/drsession=/, 'POST';
    go('evil');
    $browser->script("location = '$at{own}/cgi/cookies'");
    like $browser->text_like(qr/GET cookie/), qr/drsession=\Q$id\E/, 'GET';
};

# A host of the site gives the visitor its own session's id.
subtest 'a_cookie_tossed_by_a_sibling_never_wins' => sub {
    my $jar = jar();
    $httpd->request('PUT', '/session/user', jar => $jar, body => '"eve"');
    my $tossed = $jar->id;
    go('sibling');
    $browser->script("document.cookie = 'drsession=$tossed; Domain=victim.test;"
        . " Path=/session; Secure'");
    go('own');
    is fetch('/session/user'), 404, 'with both of them there is no session';
    is fetch('/session/card', method => 'PUT', body => '"4711"'), 201,
        'what is written goes to a new one';
    is value($tossed, 'card'), undef, 'and never to the one tossed';
    is value($id, 'user'), '"ann"', 'nor is the visitor\'s own lost';
    is fetch('/session/card'), 404,
        'but the visitor is without a session for as long as it is there';
    go('sibling');
    $browser->script("document.cookie = 'drsession=; Domain=victim.test;"
        . " Path=/session; Max-Age=0'");
    go('own');
    isnt fetch('/session/card'), 404, 'and has one as soon as it is not';
};

# One who has no cookie of his own cannot know whose the other is.
subtest 'a_new_id_ends_a_session_that_was_tossed' => sub {
    my $jar = jar();
    $httpd->request('PUT', '/session/user', jar => $jar, body => '"eve"');
    my $tossed = $jar->id;
    go('own');
    $browser->forget;
    go('sibling');
    my $cookie = 'Domain=victim.test; Path=/session; Secure';
    $browser->script("document.cookie = 'drsession=$tossed; $cookie'");
    go('own');
    is fetch('/session/user'), 200, 'the visitor is in the session of another';
    is fetch('/session/?regenerate', method => 'POST'), 204, 'and logs in';
    isnt $browser->cookie('drsession')->{value}, $tossed, 'under a new id';
    is $redis->cmd('EXISTS', "drsession:$tossed"), 0,
        'which the other does not know, and his is dead';
    is $httpd->get('/session/user', jar => $jar)->{status}, 404, 'for him, too';
    go('sibling');
    $browser->script("document.cookie = 'drsession=; Max-Age=0; $cookie'");
    go('own');
    $browser->forget;
};

subtest 'a_host_cookie_cannot_be_tossed' => sub {
    go('own');
    is fetch('/host/user', method => 'PUT', body => '"ann"'), 201, 'a session';
    my $own = $browser->cookie('__Host-sid');
    ok $own->{secure}, 'by __Host- it is Secure';
    my $evil = 'E' x 40 . 'vil_';
    for my $from (qw(sibling plain_sibling plain)) {
        go($from);
        $browser->script("document.cookie = '__Host-sid=$evil; $_'")
            for 'Domain=victim.test; Path=/; Secure',
                'Domain=victim.test; Path=/host', 'Domain=victim.test';
    }
    go('own');
    $browser->script("document.cookie = '__Host-sid=$evil; Path=/host; Secure'");
    is fetch('/host/user'), 200, 'the session is still there';
    is $browser->cookie('__Host-sid')->{value}, $own->{value}, 'and its id';
    for my $bad ('Domain=victim.test', 'Path=/host', 'Secure=off') {
        my ($code, $out) = $httpd->conftest("DRSessionCookie __Host-sid $bad\n");
        isnt $code, 0, "$bad would be refused, and httpd -t says so";
    }
};

subtest 'a_malformed_cookie_of_the_host_is_replaced_by_a_first_write' => sub {
    go('own');
    $browser->forget;
    $browser->script("document.cookie = 'drsession=junk; Path=/; Secure'");
    is fetch('/session/user'), 404, 'it is no session';
    is fetch('/session/user', method => 'PUT', body => '"ann"'), 201, 'a write';
    is fetch('/session/user'), 200, 'makes one';
    $id = $browser->cookie('drsession')->{value};
    like $id, qr/\A[\w-]{44}\z/, 'in place of the other';
};

subtest 'after_logout_back_shows_no_private_page' => sub {
    go('own', '/private.shtml');
    like $browser->text, qr/user=\[ann\]/, 'a private page';
    go('own');
    is fetch('/session/', method => 'DELETE'), 204, 'logout';
    is $browser->cookie('drsession'), undef, 'takes the cookie away';
    is $redis->cmd('EXISTS', "drsession:$id"), 0, 'and the session';
    $browser->back;
    like $browser->text_like(qr/user=/), qr/user=\[\(none\)\]/, 'Back asks again';
};

undef $browser;
error_log_is_clean($httpd, qr/AH01906|AH01909|AH01882|AH01873/);
done_testing;
