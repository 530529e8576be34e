#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# DRSessionHeader: what backends of every kind say in response headers is
# done before the response leaves, as one step and one round trip, or the
# client gets an error and nothing of the response.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/lib";
use DRS;
use DRS::Backend;
use IPC::Open2;
use JSON::PP ();
use Test::More;

needs(qw(headers include proxy proxy_http proxy_fcgi proxy_scgi proxy_uwsgi));
my $redis   = start_redis();
my $backend = DRS::Backend->new;
my $body    = 'ofthebackend';
my $cgi     = <<"CGI";
#!/usr/bin/perl
my \$spec = \$ENV{QUERY_STRING};
\$spec =~ s/%([0-9a-fA-F]{2})/chr hex \$1/ge;
print "Content-Type: text/plain\\r\\n",
    map({ "\$_\\r\\n" } split /\\n/, \$spec), "\\r\\n$body";
CGI
my $conf = <<"CONF";
DRSession On
DRSessionIdle 1h
DRSessionHeader On
DRSessionLimit value=2000 fields=20
ProxyPass /http @{[$backend->url('http')]}
ProxyPass /covered @{[$backend->url('http')]}
ProxyPass /fcgi @{[$backend->url('fcgi')]}
ProxyPass /scgi @{[$backend->url('scgi')]}
ProxyPass /uwsgi @{[$backend->url("uwsgi")]}/
<Location /drs>
    DRSessionHeader Off
</Location>
<Location /covered>
    ProxyErrorOverride On
</Location>
<LocationMatch "^/cgi/(?:off|no)">
    DRSessionHeader Off
</LocationMatch>
<Location /cgi/no>
    DRSession Off
    DRSessionHeader On
</Location>
<Location /cgi/only>
    DRSession ReadOnly
</Location>
<Location /cgi/raw>
    DRSessionCodec raw
</Location>
<Location /cgi/loop>
    ErrorDocument 502 /cgi/loop?DRSession:%20nonsense
</Location>
<Location /cgi/errdoc>
    ErrorDocument 502 /cgi/h?X-Doc:%20502
    ErrorDocument 503 /cgi/h?DRSession:%20set%20doc%201
</Location>
CONF
my %files = (
    cgi => { map { $_ => $cgi } qw(h off no only raw
        errdoc loop) },
    docs => { 'inc.shtml' => '[<!--#include virtual="/cgi/h?DRSession:'
        . '%20set%20inc%201" -->]',
        'badinc.shtml' => '[<!--#include virtual="/cgi/h?DRSession:'
        . '%20nonsense" -->]' });
my @proxy = qw(proxy proxy_http proxy_fcgi proxy_scgi proxy_uwsgi);
my $httpd = start_httpd(redis => $redis, modules => \@proxy, %files,
    conf => $conf);
our $at  = $httpd;
our $jar = jar();

# A request whose response has the header lines given.
sub ask {
    my ($path, $lines, %opt) = @_;
    my $method = delete $opt{method} // 'GET';
    return $at->request($method, $path . '?' . pct(join "\n", @$lines),
        jar => $jar, %opt);
}
sub say_to { my ($path, @values) = @_;
    return ask($path, [map { "DRSession: $_" } @values]) }
sub all { return JSON::PP->new->allow_nonref->canonical->decode(
    scalar($at->drs({ jar => $jar }, 'all')) =~ s/\Aok //r) }
sub get { return scalar $at->drs({ jar => $jar }, 'get ' . pct($_[0])) }
sub is_stripped {
    my ($r, $name) = @_;
    is header($r, 'DRSession'), undef, $name;
}

# Every door, every status: done, told, and not shown.
my @doors = (['CGI', '/cgi/h'], ['a proxy', '/http/plain'],
    ['a streaming proxy', '/http/stream'], ['FastCGI', '/fcgi/x'],
    ['SCGI', '/scgi/x'], ['uwsgi', '/uwsgi/x']);
sub try_doors {
    my ($mpm) = @_;
    for my $door (@doors) {
        my ($name, $path) = @$door;
        for my $case (200, 404, 500, 302, 304, 204, 'HEAD') {
            local $jar = jar();
            my $status = $case eq 'HEAD' ? 200 : $case;
            my @lines = ("Status: $status",
                $status == 302 ? 'Location: http://127.0.0.1/x' : (),
                'DRSession: set by "one"', 'DRSession: incr n 2, incr n 3');
            my $r;
            my $cost = $redis->count_commands(sub {
                $r = ask($path, \@lines,
                    method => $case eq 'HEAD' ? 'HEAD' : 'GET');
            });
            my $what = "$mpm, $name, $case";
            is $r->{status}, $status, "$what: the status is the backend's";
            is_stripped($r, "$what: the header is not shown");
            is scalar(my @c = headers($r, 'Set-Cookie')), 1,
                "$what: the first write sends the cookie";
            is_deeply all(), { by => 'one', n => 5 }, "$what: it is done";
            is $r->{body}, $case =~ /HEAD|304|204/ ? '' : $body,
                "$what: the body is the backend's";
        }
    }
}
$redis->cmd('SCRIPT', 'FLUSH');
try_doors('event');
{
    local $at = start_httpd(redis => $redis, modules => \@proxy, %files,
        conf => $conf, mpm => 'prefork');
    try_doors('prefork');
    error_log_is_clean($at);
}

subtest 'one_round_trip' => sub {
    local $jar = jar();
    say_to('/cgi/h', 'set a 1');
    for my $door (@doors) {
        my $cost = $redis->count_reads(sub {
            say_to($door->[1], 'set a 1, add b 2', 'incr n 1', 'delete a',
                'update {"c": 3, "b": null}', 'regenerate');
        });
        is $cost, 1, "$door->[0]: one";
    }
    is_deeply all(), { n => scalar(@doors), c => 3 }, 'in order';
    my $key = 'drsession:' . $jar->id;
    ok $redis->cmd('PTTL', $key) > 3_500_000, 'with its expiry';
    my $cost = $redis->count_commands(sub { ask('/cgi/h', ['X-Other: 1']) });
    is $cost, 0, 'no header, no traffic';
    is header(ask('/cgi/h', ['X-Other: 1']), 'Vary'), undef, 'and no Vary';
};

subtest 'every_verb' => sub {
    local $jar = jar();
    my $run = sub {
        my ($line, $expected, $name) = @_;
        is say_to('/cgi/h', $line)->{status}, 200, $line;
        is_deeply all(), $expected, $name // $line;
    };
    $run->('delete a', {}, 'delete without a session');
    $run->('regenerate, destroy, update {}', {}, 'nothing to do');
    is $jar->id, undef, 'no cookie of what makes nothing';
    $run->('set a 1, delete a', {}, 'made and deleted');
    is $jar->id, undef, 'no cookie of it';
    $run->('set a 1', { a => 1 });
    $run->('add a 2, add b 2', { a => 1, b => 2 });
    $run->('incr a 41, incr c -1', { a => 42, b => 2, c => -1 });
    $run->('delete c, delete none', { a => 42, b => 2 });
    $run->('update {"b": null, "d": [null]}', { a => 42, d => [undef] });
    $run->('set d null', { a => 42, d => undef });
    my $old = $jar->id;
    $run->('regenerate', { a => 42, d => undef });
    isnt $jar->id, $old, 'a new id';
    is $redis->cmd('EXISTS', "drsession:$old"), 0, 'the old one is dead';
    $old = $jar->id;
    $run->('set x 1, regenerate, set y 1, regenerate',
        { a => 42, d => undef, x => 1, y => 1 });
    isnt $jar->id, $old, 'a new id again';
    $old = $jar->id;
    $run->('set z 1, destroy, set a 7, add b 8, regenerate',
        { a => 7, b => 8 });
    isnt $jar->id, $old, 'after a destroy comes another session';
    is $redis->cmd('EXISTS', "drsession:$old"), 0, 'the old one is dead';
    $old = $jar->id;
    $run->('set z 1, destroy', {});
    is $jar->id, undef, 'destroy expires the cookie';
    is $redis->cmd('EXISTS', "drsession:$old"), 0, 'and ends the key';
    $run->('set a 1', { a => 1 });
    $run->('destroy, set b 1, delete b', {}, 'destroyed, made and deleted');
    is $jar->id, undef, 'expires the cookie';
};

subtest 'a_stale_cookie_makes_a_new_session' => sub {
    local $jar = jar(drsession => 'q' x 44);
    is say_to('/cgi/h', 'regenerate, set a 1')->{status}, 200, 'done';
    is_deeply all(), { a => 1 }, 'there';
    isnt $jar->id, 'q' x 44, 'under an id of ours';
    is $redis->cmd('EXISTS', 'drsession:' . 'q' x 44), 0, 'not under theirs';
};

subtest 'text_travels_byte_for_byte' => sub {
    my @values = ('"a,b"', '"a\\",set x 1"', '{"a": [1, "x,y"], "b":{}}',
        '"\\u0000\\u00e4\\\\"', "\"\xC3\xA4\"", '-1.5e3', '[]', '" "',
        '12345678901234567890123', 'true', 'null', '"; ="');
    for my $door (@doors) {
        local $jar = jar();
        my $n = 0;
        my $line = join ', ', map { 'set f' . $n++ . " $_" } @values;
        is say_to($door->[1], $line)->{status}, 200, "$door->[0]: joined";
        is get("f$_"), "ok $values[$_]", "$door->[0]: $values[$_]"
            for 0 .. $#values;
        $jar = jar();
        say_to($door->[1], map { "set f$_ $values[$_]" } 0 .. $#values);
        is get("f$_"), "ok $values[$_]", "$door->[0]: on a line of its own"
            for 0 .. $#values;
    }
    local $jar = jar();
    say_to('/http/plain', "set  \t \"a field, \\\"\\u00e4\"\t1 ,set a-b.c_1 2");
    is get("a field, \"\xC3\xA4"), 'ok 1', 'a quoted field';
    is get('a-b.c_1'), 'ok 2', 'a bare one';
    $jar = jar();
    say_to('/cgi/raw', 'set f "x"');
    is $redis->cmd('HGET', 'drsession:' . $jar->id, 'f'), '"x"',
        'the raw codec has it as it stands';
};

my @malformed = ('', ',', 'set', 'set a', 'set a b', 'set a 1 2', 'set a 1,',
    ',set a 1', 'set a 1,,set b 2', 'set a {"x":1', 'set a "x', 'set a [1,]',
    'set a NaN', 'set a 01', 'set a 1e999', "set a 'x'", 'set a{"x":1}',
    'set "a"1', 'set "" 1', 'set "a\\u0000" 1', 'set "\\ud800" 1', 'set a,b 1',
    'set ' . 'x' x 256 . ' 1', 'SET a 1', 'put a 1', 'incr a', 'incr a 1.5',
    'incr a "1"', 'incr a 9223372036854775808', 'incr a 1x', 'delete',
    'delete a b', 'delete a 1', 'update', 'update 1', 'update [1]',
    'update {"a":}', 'update{"a":1}', 'update {"":1}', 'update "a" 1',
    'regenerate now', 'destroy all', 'destroy, nonsense', 'set a 1; set b 2',
    'set a "' . "\xff" . '"', 'set a ' . '[' x 200 . ']' x 200, '"set" a 1',
    "set a \"x\ty\"", 'set a 1 # x', "set\xC3\xA4 a 1");
subtest 'what_is_malformed_is_502_and_nothing_is_done' => sub {
    local $jar = jar();
    say_to('/cgi/h', 'set keep 1');
    my $cost = $redis->count_commands(sub {
        for my $door ($doors[0], $doors[1]) {
            for my $value (@malformed) {
                my $r = say_to($door->[1], 'set early 1', $value, 'set late 1');
                is $r->{status}, 502, "$door->[0]: " . substr $value, 0, 40;
                unlike $r->{body}, qr/$body/, 'without the body';
                is_stripped($r, 'nor the header');
                is header($r, 'Set-Cookie'), undef, 'nor a cookie';
            }
        }
    });
    cmp_ok scalar(@malformed), '>=', 30, 'a table of some length';
    is $cost, 0, 'Redis was not asked';
    is_deeply all(), { keep => 1 }, 'nothing was done';
};

subtest 'what_fails_is_503_and_nothing_is_done' => sub {
    local $jar = jar();
    say_to('/cgi/h', 'set text "x", set big 9223372036854775807, set keep 1');
    my $before = all();
    my %bad = (
        'not an integer' => 'set keep 2, delete big, incr text 1',
        'an overflow'    => 'set new 1, incr keep 5, incr big 1',
        'a long value'   => 'set keep 2, set v "' . 'x' x 2000 . '"',
        'too many fields' => join ', ', 'set keep 2', map { "set f$_ 1" } 1 .. 30,
    );
    for my $name (sort keys %bad) {
        for my $door (@doors) {
            my $r = say_to($door->[1], $bad{$name}, 'regenerate');
            is $r->{status}, 503, "$door->[0]: $name";
            unlike $r->{body}, qr/$body/, 'without the body';
            is header($r, 'Set-Cookie'), undef, 'nor a cookie';
            is header($r, 'Retry-After'), undef, 'later is no better';
            is_deeply all(), $before, 'nothing was done';
        }
    }
    my $r = say_to('/cgi/only', 'set a 1');
    is $r->{status}, 503, 'DRSession ReadOnly';
    is say_to('/cgi/no', 'set a 1')->{status}, 503, 'DRSession Off';
    is_deeply all(), $before, 'nothing was done';
    my $key = 'drsession:' . $jar->id;
    my $ttl = $redis->cmd('PTTL', $key);
    ok $ttl > 3_500_000, 'the expiry is there';
    $redis->cmd('SET', 'drsession:' . 'w' x 44, 'x');
    $jar = jar(drsession => 'w' x 44);
    is say_to('/http/plain', 'set a 1')->{status}, 503, 'a key of another type';
    is $redis->cmd('GET', 'drsession:' . 'w' x 44), 'x', 'is left alone';
};

subtest 'an_error_is_the_only_answer_on_the_connection' => sub {
    for my $door (@doors) {
        my $socket = IO::Socket::INET->new(PeerAddr => '127.0.0.1',
            PeerPort => $at->port) or die "connect: $!";
        print {$socket} "GET $door->[1]?", pct('DRSession: nonsense'),
            " HTTP/1.1\r\nHost: h\r\n\r\nGET /cgi/off?X-Next:1 HTTP/1.1\r\n",
            "Host: h\r\nConnection: close\r\n\r\n";
        my $all = do { local $/; readline $socket };
        my @status = $all =~ m{^HTTP/1\.1 (\d+)}mg;
        is_deeply \@status, [502, 200], "$door->[0]: then comes the next";
        is scalar(() = $all =~ /$body/g), 1, 'and one body';
    }
};

# A handler that looks at no result, and one that answers it with an error of
# its own, write into a response that is over.
subtest 'nothing_follows_an_error' => sub {
    plan skip_all => 'no mod_lua here'
        unless -e DRS::Httpd::libexec() . '/mod_lua.so';
    my $page = <<'LUA';
function handle(r)
    r.headers_out["DRSession"] = "nonsense"
    for _, text in ipairs { "this", "is", "not", "read" } do
        r:puts(text)
        r:flush()
    end
    return tonumber(r.args)
end
LUA
    local $at = start_httpd(redis => $redis, modules => ['lua'], %files,
        docs => { 'plain.lua' => $page, 'doc.lua' => $page,
            'twice.lua' => $page }, conf => <<'CONF');
DRSession On
DRSessionHeader On
<FilesMatch "\.lua$">
    SetHandler lua-script
</FilesMatch>
<Location /doc.lua>
    ErrorDocument 502 /cgi/h?X-Doc:%201
</Location>
<Location /twice.lua>
    ErrorDocument 500 /cgi/h?X-Doc:%201
    ErrorDocument 404 /cgi/h?X-Doc:%201
</Location>
CONF
    for my $name (qw(plain doc twice)) {
        for my $returned (0, 500, 404, -2) {
            my $socket = IO::Socket::INET->new(PeerAddr => '127.0.0.1',
                PeerPort => $at->port) or die "connect: $!";
            print {$socket} "GET /$name.lua?$returned HTTP/1.1\r\nHost: h\r\n",
                "\r\nGET /cgi/h?X-Next:1 HTTP/1.0\r\n\r\n";
            my $all = do { local $/; readline $socket };
            is_deeply [$all =~ m{HTTP/1\.1 (\d+)}g],
                [502, $returned == 500 ? () : 200],
                "$name.lua, $returned: the error, then the next answer"
                . ' or, as after every 500, the end';
            is scalar(() = $all =~ /<html>|X-Doc/g), 1, 'one error page';
            unlike $all, qr/this|\bis\b|not|read/,
                'and nothing of the handler';
        }
    }
    error_log_is_clean($at, qr/response header DRSession is malformed/);
};

subtest 'a_failed_list_after_a_destroy_leaves_the_session' => sub {
    local $jar = jar();
    say_to('/cgi/h', 'set a 1');
    is say_to('/cgi/h', 'destroy, set x "y", incr x 1')->{status}, 503, 'refused';
    is_deeply all(), { a => 1 }, 'as it was';
};

subtest 'an_expiry_survives_the_loss_of_the_last_field' => sub {
    my $id = 'p' x 43;
    $redis->cmd('HSET', "drsession:$id", 'a', 1);
    $redis->cmd('PEXPIRE', "drsession:$id", 50_000);
    local $at = start_httpd(redis => $redis, modules => \@proxy, %files,
        conf => $conf =~ s/DRSessionIdle 1h//r);
    local $jar = jar(drsession => $id);
    is say_to('/cgi/h', 'delete a, set b 1')->{status}, 200, 'done';
    my $ttl = $redis->cmd('PTTL', "drsession:$id");
    ok $ttl > 0 && $ttl <= 50_000, 'with the expiry it had' or diag $ttl;
    is say_to('/cgi/h', 'delete b, set c "x", incr c 1')->{status}, 503,
        'refused';
    $ttl = $redis->cmd('PTTL', "drsession:$id");
    ok $ttl > 0 && $ttl <= 50_000, 'undone with the expiry it had';
    is_deeply all(), { b => 1 }, 'and the fields';
};

subtest 'off_leaves_the_header_alone' => sub {
    my $r = say_to('/cgi/off', 'set a 1');
    is header($r, 'DRSession'), 'set a 1', 'shown as it came';
    my $cost = $redis->count_commands(sub { say_to('/cgi/off', 'set a 1') });
    is $cost, 0, 'nothing is done';
};

subtest 'redirects_and_error_pages_lose_nothing' => sub {
    local $jar = jar();
    my $r = ask('/cgi/h', ['Location: /cgi/h?DRSession:%20set%20b%202',
        'DRSession: set a 1']);
    is $r->{status}, 200, 'an internal redirect';
    is_stripped($r, 'does not show the header');
    is_deeply all(), { a => 1, b => 2 }, 'both are done';
    $r = ask('/cgi/h', ['Location: /cgi/off?DRSession:%20set%20evil%202',
        'DRSession: set a 3']);
    is header($r, 'DRSession'), 'set evil 2', 'one to where it is Off';
    is_deeply all(), { a => 3, b => 2 }, 'is not obeyed from there';
    $r = ask('/cgi/h', ['Location: /no/such/page', 'DRSession: set c 1']);
    is $r->{status}, 404, 'a redirect to nothing';
    is get('c'), 'ok 1', 'is done';
    $r = ask('/covered/x', ['Status: 404', 'DRSession: set d 1']);
    is $r->{status}, 404, 'ProxyErrorOverride';
    unlike $r->{body}, qr/$body/, 'has a page of its own';
    is_stripped($r, 'without the header');
    is get('d'), 'ok 1', 'and is done';
    is say_to('/covered/x', 'nonsense')->{status}, 502, 'or fails';
    $r = ask('/covered/x', ['Status: 404', 'DRSession: nonsense']);
    is $r->{status}, 502, 'also behind an error page';
    $r = ask('/cgi/h', ['ETag: "e"', 'DRSession: set e 1'],
        headers => { 'If-None-Match' => '"e"' });
    is $r->{status}, 304, 'a CGI page that httpd finds unchanged';
    is_stripped($r, 'does not show the header');
    is get('e'), 'ok 1', 'is done';
    $r = ask('/cgi/h', ['ETag: "e"', 'DRSession: nonsense'],
        headers => { 'If-None-Match' => '"e"' });
    is $r->{status}, 502, 'or fails';
};

subtest 'error_documents' => sub {
    local $jar = jar();
    my $r = say_to('/cgi/errdoc', 'nonsense');
    is $r->{status}, 502, 'the status stays';
    is header($r, 'X-Doc'), 502, 'and the document is shown';
    $r = ask('/cgi/errdoc', ['Status: 404', 'DRSession: nonsense']);
    is header($r, 'X-Doc'), 502, 'whatever the backend had';
    is say_to('/cgi/loop', 'nonsense')->{status}, 502,
        'one that fails alike is not asked again';
    $r = say_to('/cgi/errdoc', 'set t "x", incr t 1');
    is $r->{status}, 503, 'one with a header of its own';
    is get('doc'), 'ok 1', 'is heard';
};

subtest 'subrequests' => sub {
    local $jar = jar();
    say_to('/cgi/h', 'set a 1');
    my $r = $at->get('/inc.shtml', jar => $jar);
    is $r->{body}, "[$body]", 'an included program';
    is get('inc'), 'ok 1', 'is heard';
    $r = eval { $at->get('/badinc.shtml', jar => $jar, close => 1) };
    ok !$r || $r->{status} == 502 || $r->{body} !~ /\Q$body\E/,
        'one that is malformed does not get through';
    delete $at->client->{link};
};

# Those in Python and for a shell run as they stand; for PHP needs PHP.
subtest 'the_examples_of_the_docs_run' => sub {
    my $docs = DRS::Httpd::slurp("$FindBin::Bin/../docs/proxy.md");
    my %example;
    while ($docs =~ /^(Python|Shell) \(\w+\):\n\n((?:    .*\n|\n)+)/mg) {
        ($example{$1} = $2) =~ s/^    //mg;
    }
    is join(' ', sort keys %example), 'Python Shell', 'these are they';
    my $wsgi = open2(my $out, my $in, 'python3', '-c', <<"PYTHON");
import sys, threading
from wsgiref.simple_server import make_server, WSGIRequestHandler
$example{Python}
WSGIRequestHandler.log_message = lambda *words: None
server = make_server("127.0.0.1", 0, app)
print(server.server_port, flush=True)
threading.Thread(target=server.serve_forever, daemon=True).start()
sys.stdin.read()
PYTHON
    chomp(my $port = readline $out);
    local $at = start_httpd(redis => $redis, modules => \@proxy,
        cgi => { example => "#!/bin/sh\n$example{Shell}" }, conf => <<"CONF");
DRSession On
DRSessionHeader On
ProxyPass /shop http://127.0.0.1:$port
<Location /shop>
    DRSessionForward user X-Session-User
</Location>
<Location /drs>
    DRSessionHeader Off
</Location>
CONF
    local $jar = jar();
    is $at->get('/shop', jar => $jar)->{body}, 'hello nobody', 'a visitor';
    is_deeply all(), { seen => 'now', visits => 1 }, 'whose session is made';
    $at->drs({ jar => $jar }, 'set user "ann"');
    is $at->get('/shop', jar => $jar,
        headers => [['X_Session_User', 'root']])->{body}, 'hello ann',
        'one who is known';
    is $at->get('/cgi/example', jar => $jar)->{status}, 200, 'the shell';
    is_deeply all(), { seen => 'now', visits => 3, user => 'ann' }, 'counts';
    error_log_is_clean($at);
    $at->stop;
    close $in;
    waitpid $wsgi, 0;
};

subtest 'http_2' => sub {
    plan skip_all => 'no mod_http2 here'
        unless -e DRS::Httpd::libexec() . '/mod_http2.so';
    plan skip_all => 'this curl has no HTTP/2'
        unless (qx(curl --version 2>&1) // '') =~ /\bHTTP2\b/;
    local $at = start_httpd(redis => $redis, modules => [@proxy, 'http2'],
        %files, conf => "${conf}Protocols h2c http/1.1\n");
    local $jar = jar();
    my $h2 = sub {
        my ($path, $method, @lines) = @_;
        my $url = $at->url($path) . '?' . pct(join "\n", @lines);
        my @cookie = $jar->header ? ('-H', 'Cookie: ' . $jar->header) : ();
        open my $in, '-|', 'curl', '-sS', '--http2-prior-knowledge', '-i',
            '--max-time', 10, @cookie, $method eq 'HEAD' ? '-I'
            : ('-X', $method), $url or die "curl: $!";
        local $/;
        my ($head, $text) = split /\r?\n\r?\n/, readline($in), 2;
        my ($status, @rest) = split /\r?\n/, $head;
        my $r = { status => ($status =~ m{\AHTTP/2 (\d+)})[0], body => $text,
            headers => [map { [split /: */, $_, 2] } @rest] };
        $jar->take($r);
        return $r;
    };
    for my $door (@doors) {
        for my $case (200, 404, 302, 304, 'HEAD') {
            # These two hand on what a backend sends as the body of a HEAD, and
            # mod_http2 now and then sends that, with this module or without.
            next if $case eq 'HEAD' && $door->[1] =~ /scgi|uwsgi/;
            $jar = jar();
            my $status = $case eq 'HEAD' ? 200 : $case;
            my $r = $h2->($door->[1], $case eq 'HEAD' ? 'HEAD' : 'GET',
                "Status: $status", $status == 302 ? 'Location: /x' : (),
                'DRSession: set a 1, incr n 2');
            next if $door->[1] eq '/cgi/h' && $status == 302;
            is $r->{status}, $status, "$door->[0], $case";
            is_stripped($r, 'without the header');
            ok defined $jar->id, 'with a cookie';
            is_deeply all(), { a => 1, n => 2 }, 'is done';
        }
        my $r = $h2->($door->[1], 'GET', 'DRSession: nonsense');
        is $r->{status}, 502, "$door->[0], malformed";
        unlike $r->{body}, qr/$body/, 'without the body';
    }
    error_log_is_clean($at, qr/response header DRSession is malformed/,
        qr/AH01075.*passing brigade to output filters/);
};

subtest 'where_ids_live_in_different_slots' => sub {
    my $cluster = start_redis(args => ['--cluster-enabled', 'yes',
        '--cluster-port', DRS::Proc::free_port()]);
    plan skip_all => 'no slots for a Cluster of one'
        unless eval { $cluster->cmd('CLUSTER', 'ADDSLOTSRANGE', 0, 16383) };
    wait_until(10, sub { eval { $cluster->cmd('EXISTS', 'a'); 1 } });
    local $at = start_httpd(redis => $cluster, modules => \@proxy, %files,
        conf => $conf);
    local $jar = jar();
    for my $n (1 .. 3) {
        my $old = $jar->id;
        my $r = say_to('/cgi/h', "set x 1, destroy, set a $n, incr n 1");
        is $r->{status}, 200, 'a destroy and what follows it';
        is scalar(my @c = headers($r, 'Set-Cookie')), 1, 'is one cookie';
        is_deeply all(), { a => $n, n => 1 }, 'is done';
        is $cluster->cmd('EXISTS', "drsession:$old"), 0, 'the old key is gone'
            if defined $old;
    }
    error_log_is_clean($at);
};

subtest 'redis_hangs' => sub {
    local $jar = jar();
    say_to('/cgi/h', 'set a 1');
    for my $door (@doors) {
        $redis->hang;
        my $r = say_to($door->[1], 'set a 2');
        $redis->resume;
        is $r->{status}, 503, "$door->[0]: 503";
        unlike $r->{body}, qr/$body/, 'without the body';
        is header($r, 'Retry-After'), undef, 'unsure: no word of later';
        cmp_ok $r->{time}, '<', 3, 'in time';
        wait_until(5, sub { eval { $redis->cmd('PING') } });
        wait_until(5, sub { get('a') =~ /^ok/ });
    }
};

subtest 'redis_away' => sub {
    local $jar = jar();
    $redis->stop;
    for my $door (@doors) {
        for my $status (200, 404, 304) {
            my $r = ask($door->[1], ["Status: $status", 'DRSession: set a 2']);
            is $r->{status}, 503, "$door->[0], $status: 503";
            unlike $r->{body}, qr/$body/, 'without the body';
            is header($r, 'Retry-After'), 1, 'with Retry-After';
            is header($r, 'Set-Cookie'), undef, 'no cookie';
            is_stripped($r, 'nor the header');
        }
    }
    is ask('/http/plain', ['X-Other: 1'])->{body}, $body,
        'without the header nothing is missed';
    $redis->start;
};

error_log_is_clean($httpd, qr/response header DRSession|sessions are down: /,
    qr/AH01075.*passing brigade to output filters/);
done_testing;
