#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# The demo as a visitor meets it: started and stopped by its script, spoken to
# like curl does, then used in a real browser through WebDriver.
use strict;
use warnings;

use Cwd qw(abs_path);
use File::Path qw(make_path);
use File::Temp qw(tempdir);
use FindBin;
use HTTP::Tiny;
use IO::Socket::INET;
use IO::Socket::UNIX;
use JSON::PP;
use MIME::Base64 qw(decode_base64);
use POSIX ();
use Test::More;
use Time::HiRes qw(sleep time);

my $root  = abs_path("$FindBin::Bin/..");
my $build = $ENV{DRS_BUILD} || "$root/build";
my $json  = JSON::PP->new->utf8->canonical->allow_nonref;
my $me    = $$;
my $dir   = tempdir(CLEANUP => 1) . '/demo';
my @pids;

delete $ENV{PORT};
$ENV{DEMO_DIR}   = $dir;
$ENV{DRS_MODULE} ||= "$build/mod_drsession.so";
delete $ENV{$_} for qw(http_proxy HTTP_PROXY https_proxy all_proxy ALL_PROXY);

# httpd was not linked with the sanitizer that the module needs.
if ($ENV{DRS_PRELOAD}) {
    plan skip_all => 'the demo runs without sanitizers; t/1*.t run with them';
}

sub demo {
    my $said = `sh '$root/conf/demo/demo' $_[0] 2>&1`;
    return ($? >> 8, $said);
}

sub end_pid {
    my ($pid) = @_;
    kill 'TERM', $pid;
    for (1 .. 50) {
        return if waitpid($pid, POSIX::WNOHANG()) != 0;
        sleep 0.1;
    }
    kill 'KILL', $pid;
    waitpid $pid, 0;
}

END {
    if (defined $me && $me == $$) {
        my $status = $?;
        end_pid($_) for reverse @pids;
        demo('stop') if $dir;
        $? = $status;
    }
}

sub slurp {
    open my $in, '<:raw', $_[0] or return '';
    local $/;
    return scalar <$in> // '';
}

sub free_port {
    my $socket = IO::Socket::INET->new(Listen => 1, LocalAddr => '127.0.0.1')
        or die "no free port: $!";
    return $socket->sockport;
}

# Until it is so, at most some seconds; the last answer otherwise.
sub wait_for {
    my ($check, $seconds) = @_;
    my $end = time + ($seconds || 10);
    my $got;
    until ($got = $check->()) {
        last if time > $end;
        sleep 0.1;
    }
    return $got;
}

# One command to the demo's Redis; flat lists only.
sub redis {
    my $socket = IO::Socket::UNIX->new(Peer => "$dir/sockets/redis.sock")
        or die "no Redis: $!";
    print $socket '*' . @_ . "\r\n", map { '$' . length . "\r\n$_\r\n" } @_;
    $socket->flush;
    my $line = <$socket>;
    return $line =~ /^:(-?\d+)/ ? $1 : undef if $line !~ /^\*(\d+)/;
    my @got;
    for (1 .. $1) {
        my ($len) = <$socket> =~ /^\$(\d+)/;
        read $socket, my $bytes, $len + 2;
        push @got, substr $bytes, 0, $len;
    }
    return @got;
}

# Start, twice.
my ($rc, $said) = demo('start');
is($rc, 0, 'the demo starts') or BAIL_OUT($said);
my ($url, $rest) = $said =~ m{^URL:[ ](http://127\.0\.0\.1:\d+/)\n
                            REST:[ ](http://127\.0\.0\.1:\d+/session)\n\z}mx;
ok($url && $rest, 'its last two lines say where') or BAIL_OUT($said);
is((demo('start'))[1], "URL: $url\nREST: $rest\n",
   'starting it again says the same and starts nothing');
my ($port) = $url =~ /:(\d+)/;

# Like curl with a cookie jar.
my $http   = HTTP::Tiny->new(timeout => 10);
my $cookie = '';

sub ask {
    my ($method, $path, $content, %headers) = @_;
    $headers{Cookie} = $cookie if $cookie;
    my $answer = $http->request($method, "$url$path",
        { headers => \%headers, defined $content ? (content => $content) : () });
    my $set = $answer->{headers}{'set-cookie'};
    $cookie = $1 if defined $set && $set =~ /^([^;]+)/;
    return $answer;
}

like(ask('GET', '')->{content}, qr/<title>mod_drsession/, 'the page is served');
is(ask('GET', 'session/')->{content}, '{}', 'nothing is there at first');
is($cookie, '', 'looking makes no session');
is(ask('PUT', 'session/user', '"Ada"')->{status}, 201, 'a field is set');
like($cookie, qr/^drsession=[\w-]{44}$/, 'the first write sends the cookie');
is(ask('POST', 'session/visits?incr=41')->{content}, '41', 'a field counts');
is(ask('PUT', 'session/cart', '{"tea":2}')->{status}, 201, 'JSON is stored');
(my $id = $cookie) =~ s/^drsession=//;
is_deeply({ redis('HGETALL', "drsession:$id") },
    { user => '"Ada"', visits => '41', cart => '{"tea":2}' },
    'in Redis the session is a hash of JSON texts');
my $left = redis('TTL', "drsession:$id");
ok($left > 3500 && $left <= 3600, 'its expiry is the hour of the demo');
for my $page (qw(session.cgi session.shtml)) {
    (my $text = ask('GET', $page)->{content}) =~ s/&quot;/"/g;
    for my $wanted ('live', 'Ada', '41', '{"tea":2}') {
        like($text, qr/[>=]\Q$wanted\E(?:<|$)/m, "$page shows $wanted");
    }
}
is(ask('PUT', 'session/user', '1', 'Sec-Fetch-Site' => 'cross-site')
    ->{status}, 403, 'a write that says cross-site is refused');
is(ask('PUT', 'session/user', '1', Origin => 'http://other.invalid')
    ->{status}, 403, 'a write with the origin of another site is refused');
is(ask('DELETE', 'session/')->{status}, 204, 'the session ends');
is(redis('EXISTS', "drsession:$id"), 0, 'and is gone from Redis');

# The browser.
sub find {
    my @found = grep { -x } map { my $d = $_; map { "$d/$_" } @_ }
        split(/:/, $ENV{PATH}), '/usr/lib/chromium';
    return $found[0];
}

my $chrome = find('chromium', 'chromium-browser', 'google-chrome');
my $driver = find('chromedriver');
my $web;
my $session;

sub web {
    my ($method, $path, $body) = @_;
    my $answer = $http->request($method, "$web$path", {
        headers => { 'Content-Type' => 'application/json' },
        $method eq 'POST' ? (content => $json->encode($body || {})) : () });
    my $said = eval { $json->decode($answer->{content}) } || {};
    return $said->{value} if $answer->{success};
    die "$method $path: $answer->{status} "
        . substr($answer->{content}, 0, 300) . "\n";
}

sub start_browser {
    my $at = free_port();
    my $pid = fork // die "fork: $!";
    if ($pid == 0) {
        # Without a display and apart from the settings of who runs the test.
        $ENV{HOME} = $dir;
        open STDIN,  '<', '/dev/null';
        open STDOUT, '>', "$dir/chromedriver.log";
        open STDERR, '>&', \*STDOUT;
        exec $driver, "--port=$at" or POSIX::_exit(127);
    }
    push @pids, $pid;
    $web = "http://127.0.0.1:$at";
    wait_for(sub { eval { web('GET', '/status')->{ready} } }, 20)
        or die 'chromedriver is not up';
    my $made = web('POST', '/session', { capabilities => { alwaysMatch => {
        browserName         => 'chrome',
        'goog:loggingPrefs' => { browser => 'ALL' },
        'goog:chromeOptions' => { binary => $chrome, args => [
            qw(--headless --no-sandbox --disable-gpu --disable-quic
               --no-first-run --disable-background-networking
               --disable-component-update --disable-sync
               --disable-dev-shm-usage --no-proxy-server
               --remote-debugging-pipe), '--window-size=1200,1100',
            "--user-data-dir=$dir/profile" ] },
    } } });
    $web .= "/session/$made->{sessionId}";
    $session = 1;
}

sub script {
    my $row = 'const row_of = (name) => [...document.querySelectorAll('
        . '"#fields tr")].find((tr) => tr.cells[0].textContent === name);';
    return web('POST', '/execute/sync',
        { script => "$row $_[0]", args => [] });
}

sub visit { web('POST', '/url', { url => $_[0] }) }
sub click { script("document.querySelector('$_[0]').click()") }

sub shows {
    my ($field, $wanted) = @_;
    return wait_for(sub {
        my $got = script("const row = row_of('$field'); "
            . "return row ? row.cells[1].textContent : ''");
        return $got eq $wanted;
    });
}

sub set_field {
    my ($field, $value) = @_;
    script("document.getElementById('field').value = '$field'; "
         . "document.getElementById('value').value = '$value'; "
         . "document.querySelector('#set-form button').click()");
}

sub save_picture {
    my ($name) = @_;
    make_path($build);
    open my $out, '>:raw', "$build/$name" or die "$name: $!";
    print $out decode_base64(web('GET', '/screenshot'));
    close $out or die "$name: $!";
    return -s "$build/$name";
}

# A page of another origin: a form that posts, by itself, to the demo.
sub start_stranger {
    my ($target) = @_;
    my $listen = IO::Socket::INET->new(Listen => 5, LocalAddr => '127.0.0.1',
        ReuseAddr => 1) or die "no listener: $!";
    my $page = "<!DOCTYPE html><title>stranger</title>"
        . "<link rel=icon href='data:,'><form method=post action='$target'>"
        . "</form><script>document.forms[0].submit()</script>";
    my $pid = fork // die "fork: $!";
    if ($pid == 0) {
        # Browsers open connections that they may never use: one child each.
        $SIG{CHLD} = 'IGNORE';
        while (my $client = $listen->accept) {
            next if fork;
            alarm 20;
            while (defined(my $line = <$client>)) { last if $line =~ /^\r?$/ }
            print $client "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n"
                . 'Content-Length: ' . length($page)
                . "\r\nConnection: close\r\n\r\n$page";
            close $client;
            POSIX::_exit(0);
        }
        POSIX::_exit(0);
    }
    push @pids, $pid;
    return $listen->sockport;
}

SKIP: {
    skip 'NO BROWSER TEST: chromium or chromedriver is not installed', 1
        unless $chrome && $driver;
    eval { start_browser(); 1 }
        or do { fail('a browser starts'); diag($@);
                diag(slurp("$dir/chromedriver.log")); last SKIP };

    visit($url);
    ok(script('return !document.getElementById("empty").hidden'),
        'the page says that there is no session');

    set_field('user', 'Ada');
    ok(shows('user', '"Ada"'), 'a field set in the page is shown');
    click('#visit') for 1 .. 11;
    ok(shows('visits', '11'), 'clicks that overlap all count');
    click('[data-item="tea"]');
    ok(shows('cart', '{"tea":1}'), 'the cart is JSON');

    is(script('return document.cookie'), '', 'no script sees the cookie');
    my ($seen) = grep { $_->{name} eq 'drsession' } @{ web('GET', '/cookie') };
    ok($seen->{httpOnly}, 'the cookie is HttpOnly');
    is($seen->{sameSite}, 'Lax', 'the cookie is SameSite=Lax');
    like($seen->{value}, qr/^[\w-]{44}$/, 'the cookie is an id alone');
    is_deeply({ redis('HGETALL', "drsession:$seen->{value}") },
        { user => '"Ada"', visits => '11', cart => '{"tea":1}' },
        'Redis has what the page shows');
    ok(save_picture('demo.png') > 1000, 'a picture of the page is kept');

    my $first = web('GET', '/window');
    my $second = web('POST', '/window/new', { type => 'tab' })->{handle};
    web('POST', '/window', { handle => $second });
    visit($url);
    ok(shows('user', '"Ada"'), 'a second tab has the same session');
    set_field('note', '{"a":[1,2]}');
    ok(shows('note', '{"a":[1,2]}'), 'a field set there is shown there');
    web('POST', '/window', { handle => $first });
    ok(shows('note', '{"a":[1,2]}'), 'and appears in the first tab');
    script("row_of('note').querySelector('button').click()");
    ok(shows('note', ''), 'a deleted field is shown no more');

    click('#regenerate');
    my $new = wait_for(sub {
        my ($now) = grep { $_->{name} eq 'drsession' }
            @{ web('GET', '/cookie') };
        $now && $now->{value} ne $seen->{value} ? $now->{value} : undef });
    ok($new, 'regenerate gives another id');
    is(redis('EXISTS', "drsession:$seen->{value}"), 0, 'the old one is dead');
    ok(shows('visits', '11'), 'and the fields are still there');

    my @log = grep { $_->{level} eq 'SEVERE' }
        @{ web('POST', '/se/log', { type => 'browser' }) };
    is_deeply(\@log, [], 'the console has no error');

    # Top-level navigation sends no Lax cookie with POST: the count would be
    # a new session's. Neither that nor the old one's may happen.
    my $keys = redis('DBSIZE');
    my $other = start_stranger("${rest}/visits?incr=1000");
    for my $host ('127.0.0.1', 'localhost') {
        visit("http://$host:$other/");
        ok(wait_for(sub { script('return document.body.textContent')
            =~ /"forbidden"/ }), "a form of $host on another port is refused");
    }
    is({ redis('HGETALL', "drsession:$new") }->{visits}, '11',
        'and has changed nothing');
    is(redis('DBSIZE'), $keys, 'and has made no session');

    visit($url);
    ok(shows('user', '"Ada"'), 'the visitor is still there');
    click('#end');
    ok(shows('user', ''), 'the session ends');
    is(redis('EXISTS', "drsession:$new"), 0, 'and is gone from Redis');
    ok(!(grep { $_->{name} eq 'drsession' } @{ web('GET', '/cookie') }),
        'and its cookie from the browser');
    web('POST', '/window', { handle => $second });
    ok(shows('user', ''), 'the second tab sees it, too');
    eval { web('DELETE', '') };
}

is_deeply([ grep { !/:(?:notice|info)\]|^\s*$/ }
            split /\n/, slurp("$dir/error.log") ], [],
    'the error log holds nothing unexpected');

my @was = map { slurp("$dir/$_.pid") =~ /(\d+)/ } qw(httpd redis);
is((demo('stop'))[0], 0, 'the demo stops');
ok(!(grep { kill 0, $_ } @was), 'and both servers have ended');
is((demo('stop'))[0], 0, 'stopping it again is no error');

done_testing;
