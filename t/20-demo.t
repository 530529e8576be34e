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
use lib "$FindBin::Bin/lib";
use DRS;
use DRS::Browser;
use HTTP::Tiny;
use IO::Socket::INET;
use IO::Socket::UNIX;
use JSON::PP;
use POSIX ();
use Test::More;
use Time::HiRes qw(sleep);
use utf8;

my $root  = abs_path("$FindBin::Bin/..");
my $build = $ENV{DRS_BUILD} || "$root/build";
my $json  = JSON::PP->new->utf8->canonical->allow_nonref;
my $me    = $$;
my $dir   = tempdir(CLEANUP => 1) . '/demo';
my $browser;
my @pids;

delete $ENV{PORT};
$ENV{DEMO_DIR}   = $dir;
$ENV{DRS_BUILD}  = $build;
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

END {
    if (defined $me && $me == $$) {
        my $status = $?;
        undef $browser;
        DRS::Proc::stop($_) for reverse @pids;
        for my $one ($dir, "$dir-2") {
            local $ENV{DEMO_DIR} = $one;
            demo('stop');
        }
        $? = $status;
    }
}

sub slurp { return DRS::Httpd::slurp($_[0]) }

# One command to the demo's Redis; flat lists only.
sub redis {
    my $socket = IO::Socket::UNIX->new(Peer => "$dir/sockets/redis.sock")
        or die "no Redis: $!";
    my $got = DRS::Redis::talk($socket, @_);
    return ref $got ? @$got : $got;
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
is(ask('PUT', 'session/cart', '["tea"]')->{status}, 201, 'JSON is stored');
(my $id = $cookie) =~ s/^drsession=//;
is_deeply({ redis('HGETALL', "drsession:$id") },
    { user => '"Ada"', visits => '41', cart => '["tea"]' },
    'in Redis the session is a hash of JSON texts');
my $left = redis('TTL', "drsession:$id");
ok($left > 3500 && $left <= 3600, 'its expiry is the hour of the demo');
for my $page (qw(session.cgi session.shtml)) {
    (my $text = ask('GET', $page)->{content}) =~ s/&quot;/"/g;
    for my $wanted ('live', 'Ada', '41', '["tea"]') {
        like($text, qr/[>=]\Q$wanted\E(?:<|$)/m, "$page shows $wanted");
    }
}
like(ask('GET', 'members.shtml')->{content}, qr/>Welcome, Ada</,
    'who has a user is let in');
is(ask('PUT', 'session/user', '1', 'Sec-Fetch-Site' => 'cross-site')
    ->{status}, 403, 'a write that says cross-site is refused');
is(ask('PUT', 'session/user', '1', Origin => 'http://other.invalid')
    ->{status}, 403, 'a write with the origin of another site is refused');

# The doors, without a browser: each a program that reads and writes.
my %program = (lua => 'door.lua', shell => 'door.sh', python => 'door.py',
    backend => 'backend.py');
my $has_lua = ask('GET', 'door/lua')->{content} !~ /absent/;
ok($has_lua || !-e ($ENV{DRS_LUA} || "$build/lua/drsession.so"),
    'the door of Lua is there if its module is built');
my @doors = grep { $_ ne 'lua' || $has_lua } sort keys %program;
my ($visits, @cart) = (41, 'tea');

sub seen_through {
    my ($door) = @_;
    my $said = eval { $json->decode(ask('GET', "door/$door")->{content}) };
    return $said && "$said->{user} $said->{visits} @{ $said->{cart} }";
}

for my $door (@doors) {
    is(ask('POST', "door/$door?visit", '')->{status}, 200, "$door counts");
    is(ask('POST', "door/$door?cake", '')->{status}, 200, "$door sells");
    $visits++;
    push @cart, 'cake';
    is(seen_through($_), "Ada $visits @cart", "and $_ shows it") for @doors;
    is(ask('POST', "door/$door?gold", '')->{status}, 400,
        "$door sells no gold");
    is(ask('POST', "door/$door?visit", '', 'Sec-Fetch-Site' => $_)->{status},
        403, "$door is shut to what says $_") for qw(same-site cross-site);
}
is_deeply({ redis('HGETALL', "drsession:$id") }->{visits}, $visits,
    'what was refused has changed nothing');
my $page = ask('GET', '')->{content};
for my $door (@doors) {
    my ($line) = $page =~ /id="door-$door".*?"excerpt"><code>(.*?)<\/code>/s;
    (my $code = $line) =~ s/^DRSession: //;
    ok(index(ask('GET', "program/$program{$door}")->{content}, $code) > 0,
        "the line that the page shows is one of $program{$door}");
}
is(ask('DELETE', 'session/')->{status}, 204, 'the session ends');
is(redis('EXISTS', "drsession:$id"), 0, 'and is gone from Redis');
like(ask('GET', 'members.shtml')->{content}, qr/>Members only</,
    'who has none is told so');
for my $door (@doors) {
    $cookie = '';
    ask('POST', "door/$door?visit", '');
    (my $new = $cookie) =~ s/^drsession=//;
    is({ redis('HGETALL', "drsession:$new") }->{visits}, 1,
        "$door makes a session where there is none");
    ok(redis('PTTL', "drsession:$new") > 3_500_000, 'with its expiry');
}

# The browser.
sub script { return $browser->script(@_) }
sub click  { $browser->click($_[0]) }
sub press  { click("#door-$_[0] [data-do=\"$_[1]\"]") }

# Whether a row of the table comes to show a value.
sub shows {
    my ($field, $wanted) = @_;
    return $browser->comes('((tr) => tr ? tr.cells[1].textContent : "")('
        . '[...document.querySelectorAll("#fields tr")].find((tr) => '
        . 'tr.cells[0].textContent === arguments[0])) === arguments[1]',
        $field, $wanted);
}

# Whether every door comes to show the same.
sub all_show {
    my ($user, $count, $goods) = @_;
    return $browser->comes('[...document.querySelectorAll('
        . '".door:not([data-state=absent])")].every((door) => ["user", '
        . '"visits", "cart"].every((one, i) => [...door.querySelectorAll("."'
        . ' + one + (one === "cart" ? " li" : ""))].map((e) => '
        . 'e.textContent).join(", ") === arguments[i]))',
        map { "$_" } $user, $count, $goods);
}

sub set_field {
    my ($field, $value) = @_;
    script('document.getElementById("field").value = arguments[0]; '
         . 'document.getElementById("value").value = arguments[1]; '
         . 'document.querySelector("#set-form button").click()',
         $field, $value);
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

# Once more, without the Lua module, while the first demo runs.
my $other_url;
{
    local $ENV{DEMO_DIR} = "$dir-2";
    local $ENV{DRS_LUA}  = "$dir/none";
    my ($code, $out) = demo('start');
    ($other_url) = $out =~ m{^URL: (\S+)}m;
    ok($code == 0 && $other_url && $other_url ne $url,
        'a second demo starts beside it') or diag $out;
    like($http->get("${other_url}door/lua")->{content}, qr/absent/,
        'and has no door of Lua where its module is not built');
}

SKIP: {
    my $missing = DRS::Browser::missing();
    skip "NO BROWSER TEST: $missing", 1 if $missing;
    $browser = eval { DRS::Browser->new(size => '1200,1100') };
    ok($browser, 'a browser starts') or do { diag($@); last SKIP };

    $browser->visit($url);
    ok(all_show('stranger', 0, 'empty cart'), 'every door says that nothing is there');
    is(script('return document.getElementById("empty").hidden'), JSON::PP::false,
        'the page says that there is no session');
    ok(!$browser->cookie('drsession'), 'and looking has made none');

    my @panels = ('js', @doors);
    my ($count, @goods) = (0);
    for my $door (@panels) {
        press($door, 'visit');
        press($door, 'cake');
        push @goods, 'cake';
        $count++;
        ok(all_show('stranger', $count, @goods > 1 ? 'cake × ' . @goods : 'cake'),
            "what $door writes is shown at every door");
    }
    set_field('user', 'Ada');
    ok(all_show('Ada', $count, 'cake × ' . @goods), 'every door greets Ada');
    ok(shows('user', '"Ada"'), 'a field set in the page is in the table');
    press('js', 'tea');
    ok(shows('cart', $json->encode([ @goods, 'tea' ])), 'the cart is JSON');
    ok(all_show('Ada', $count, 'cake × ' . @goods . ', tea'),
        'and every door shows what is in it');

    is(script('return document.cookie'), '', 'no script sees the cookie');
    my $seen = $browser->cookie('drsession');
    ok($seen->{httpOnly}, 'the cookie is HttpOnly');
    is($seen->{sameSite}, 'Lax', 'the cookie is SameSite=Lax');
    like($seen->{value}, qr/^[\w-]{44}$/, 'the cookie is an id alone');
    my %held = redis('HGETALL', "drsession:$seen->{value}");
    is_deeply([ @held{qw(user visits)}, $json->decode($held{cart}) ],
        [ '"Ada"', $count, [ @goods, 'tea' ] ], 'Redis has what the page shows');
    make_path($build);
    ok($browser->picture("$build/demo.png", 1200) > 1000,
        'a picture of the page is kept');
    $browser->picture("$build/demo-phone.png", 375);
    is(script('return document.documentElement.scrollWidth'), 375,
        'on a phone nothing sticks out');
    $browser->size(1200, 1100);

    press('js', 'visit') for 1 .. 7;
    press($_, 'visit') for @doors;
    $count += 7 + @doors;
    ok(all_show('Ada', $count, 'cake × ' . @goods . ', tea'),
        'clicks that overlap all count');

    my $first = $browser->web('GET', '/window');
    my $second = $browser->web('POST', '/window/new', { type => 'tab' })
        ->{handle};
    $browser->web('POST', '/window', { handle => $second });
    $browser->visit($url);
    ok(all_show('Ada', $count, 'cake × ' . @goods . ', tea'),
        'a second tab has the same session');
    press($doors[0], 'visit');
    $count++;
    set_field('note', '{"a":[1,2]}');
    ok(shows('note', '{"a":[1,2]}'), 'a field set there is shown there');
    $browser->web('POST', '/window', { handle => $first });
    ok(shows('note', '{"a":[1,2]}'), 'and appears in the first tab');
    ok(all_show('Ada', $count, 'cake × ' . @goods . ', tea'),
        'and so does what a door wrote there');
    click('#fields tr[data-field="note"] button');
    ok(shows('note', ''), 'a deleted field is shown no more');
    click('#cart-clear');
    ok(all_show('Ada', $count, 'empty cart'), 'the cart is empty at every door');

    click('#regenerate');
    my $new;
    wait_until(20, sub {
        my $now = $browser->cookie('drsession');
        $new = $now->{value} if $now && $now->{value} ne $seen->{value};
    });
    ok($new, 'regenerate gives another id');
    is(redis('EXISTS', "drsession:$seen->{value}"), 0, 'the old one is dead');
    press($doors[-1], 'visit');
    $count++;
    ok(all_show('Ada', $count, 'empty cart'), 'and every door has the new one');
    is($browser->cookie('drsession')->{value}, $new, 'which stays');
    is_deeply([ $browser->complaints ], [], 'the console has no error');

    # Top-level navigation sends no Lax cookie with POST: the count would be
    # a new session's. Neither that nor the old one's may happen.
    my $keys = redis('DBSIZE');
    for my $target ('session/visits?incr=1000', 'door/shell?visit') {
        my $other = start_stranger("$url$target");
        for my $host ($target =~ /session/ ? 'localhost' : (), '127.0.0.1') {
            $browser->visit("http://$host:$other/");
            ok($browser->comes('/"forbidden"|don.t have permission/.test('
                . 'document.body.textContent)'),
                "a form of $host on another port is refused $target");
        }
    }
    is({ redis('HGETALL', "drsession:$new") }->{visits}, $count,
        'and has changed nothing');
    is(redis('DBSIZE'), $keys, 'and has made no session');

    $browser->visit($url);
    ok(shows('user', '"Ada"'), 'the visitor is still there');
    click('#end');
    ok(all_show('stranger', 0, 'empty cart'), 'the session ends at every door');
    is(redis('EXISTS', "drsession:$new"), 0, 'and is gone from Redis');
    ok(!$browser->cookie('drsession'), 'and its cookie from the browser');
    $browser->web('POST', '/window', { handle => $second });
    ok(shows('user', ''), 'the second tab sees it, too');

    $browser->complaints;    # those 403 were meant
    $browser->visit($other_url);
    ok($browser->comes('document.querySelector("#door-lua .note").textContent'
        . '.startsWith("Not here")'), 'a missing door says why it is');
    press('shell', 'visit');
    ok(all_show('stranger', 1, 'empty cart'), 'and the others work');
    is_deeply([ $browser->complaints ], [], 'again without an error');
}

# A 403 is an error to mod_authz_core.
is_deeply([ grep { !/:(?:notice|info)\]|^\s*$|\bAH01630: / }
            split /\n/, slurp("$dir/error.log") . slurp("$dir-2/error.log") ],
    [], 'the error log holds nothing unexpected');
is(slurp("$dir/backend.log"), '', 'nor does that of the backend');

{
    local $ENV{DEMO_DIR} = "$dir-2";
    is((demo('stop'))[0], 0, 'the second demo stops');
}
is(ask('GET', '')->{status}, 200, 'the first one does not mind');
my @was = map { slurp("$dir/$_.pid") =~ /(\d+)/ } qw(httpd redis backend);
is(scalar(grep { kill 0, $_ } @was), 3, 'three servers run');
is((demo('stop'))[0], 0, 'the demo stops');
# A process that nobody has waited for yet has no command line any more.
is_deeply([ map { slurp("/proc/$_/cmdline") =~ s/\0/ /gr || () } @was ], [],
    'and all of them have ended');
is((demo('stop'))[0], 0, 'stopping it again is no error');

# After a reboot the number in a pid file may be anyone's.
my $stranger = fork // die "fork: $!";
if ($stranger == 0) { exec 'sleep', '60' or POSIX::_exit(1) }
push @pids, $stranger;
open my $file, '>', "$dir/httpd.pid" or die "httpd.pid: $!";
print $file "$stranger\n";
close $file;
is((demo('stop'))[0], 0, 'a pid file that is out of date');
is(waitpid($stranger, POSIX::WNOHANG()), 0, 'harms no other process');

done_testing;
