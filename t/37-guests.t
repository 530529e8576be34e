#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# Languages inside httpd, and php-fpm beside it: what their pages read and
# write of a session, that nobody plants a variable there, that nothing stays
# in a process for the next request; and the examples of docs/languages.md.
# The modules are packaged ones, see t/guests; none of them is installed.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/lib";
use DRS;
use DRS::Guests;
use DRS::Proc;
use IO::Socket::INET;
use JSON::PP ();
use Test::More;

needs(qw(headers setenvif include rewrite proxy proxy_fcgi));
my $redis = start_redis();
our ($httpd, $jar, $door);

# The examples, by their names, and each one's configuration before it.
my (%example, %conf_of);
{
    my $text = DRS::Httpd::slurp("$FindBin::Bin/../docs/languages.md");
    my $conf = '';
    while ($text =~ /^```(\w+)\n(.*?)^```$/msg) {
        my ($kind, $block) = ($1, $2);
        $conf = $block if $kind eq 'apache' && $block =~ /DRSession/;
        next unless $block =~ m{\A(?:<\?php //|#) (\S+\.\w+)\n};
        @example{$1} = $block;
        $conf_of{$1} = $conf;
    }
}

# A language that is not here is no secret.
sub skip_loudly {
    my ($why) = @_;
    diag "not tried: $why";
    plan skip_all => $why;
}

# Pages of one door: one shows our variables, read in two ways; one answers
# with the header lines of its query; one writes to Redis as no page should.
my %pages = (
'env.php' => <<'PHP',
<?php
header('Content-Type: text/plain');
foreach ($_SERVER as $name => $value) {
    if (!preg_match('/DRSESSION|SHOP/i', $name)) continue;
    echo "$name=$value\n";
    if (getenv($name) !== $value) echo "DIFFERS=$name\n";
}
foreach (['user', 'STATUS', 'KEY', 'URL', 'IDLE'] as $word) {
    $name = "DRSESSION_$word";
    if (getenv($name) !== false && !isset($_SERVER[$name]))
        echo "LEAKS=$name\n";
}
PHP
'write.php' => <<'PHP',
<?php
header('Content-Type: text/plain');
foreach (explode("\n", rawurldecode($_SERVER['QUERY_STRING'])) as $line) {
    if (preg_match('/^Status: (\d+)/', $line, $m)) http_response_code($m[1]);
    else header($line, false);
}
echo 'ofthepage';
PHP
'stream.php' => <<'PHP',
<?php
header('Content-Type: text/plain');
header('DRSession: incr n 1', false);
echo "first\n";
flush();
for ($i = 0; $i < 200 && !file_exists(__DIR__ . '/go'); $i++) {
    usleep(20000);
    clearstatcache();
}
echo $i < 200 ? "last\n" : "late\n";
PHP
'rude.php' => <<'PHP',
<?php
$key = $_SERVER['DRSESSION_KEY'];
$redis = stream_socket_client($_SERVER['DRSESSION_URL']);
fwrite($redis, "HSET $key rude 1\r\nPERSIST $key\r\nPTTL $key\r\n");
fgets($redis); fgets($redis);
header('Content-Type: text/plain');
echo fgets($redis);
PHP
'env.wsgi' => <<'PY',
def application(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return ["".join("%s=%s\n" % (k, v) for k, v in environ.items()
            if "DRSESSION" in k.upper() or "SHOP" in k).encode("latin-1")]
PY
'write.wsgi' => <<'PY',
from urllib.parse import unquote
def application(environ, start_response):
    status, headers = "200", [("Content-Type", "text/plain")]
    for line in unquote(environ["QUERY_STRING"], "latin-1").split("\n"):
        name, _, value = line.partition(": ")
        if name == "Status":
            status = value
        else:
            headers.append((name, value))
    start_response(status + " X", headers)
    return [b"ofthepage"]
PY
'stream.wsgi' => <<'PY',
import os
import time
def application(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain"),
                              ("DRSession", "incr n 1")])
    yield b"first\n"
    for i in range(200):
        if os.path.exists(os.path.dirname(__file__) + "/go"):
            yield b"last\n"
            return
        time.sleep(0.02)
    yield b"late\n"
PY
'rude.wsgi' => <<'PY',
import socket
def application(environ, start_response):
    link = socket.socket(socket.AF_UNIX)
    link.connect(environ["DRSESSION_URL"][len("unix://"):])
    key = environ["DRSESSION_KEY"]
    link.sendall(f"HSET {key} rude 1\r\nPERSIST {key}\r\nPTTL {key}\r\n"
                 .encode())
    data = b""
    while data.count(b"\n") < 3:
        data += link.recv(100)
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [data.split(b"\n")[2] + b"\n"]
PY
(map { $_ => '' } qw(env.mp write.mp stream.mp rude.mp)),
);
my $perl = <<'PERL';
package Guest;
use strict;
use warnings;
use Apache2::Const -compile => 'OK';
use Apache2::RequestIO ();
use Apache2::RequestRec ();
use APR::Table ();
use IO::Socket::UNIX ();
my %page = (
    env => sub {
        my ($r) = @_;
        $r->subprocess_env->do(sub {
            my ($name, $value) = @_;
            return 1 if $name !~ /DRSESSION|SHOP/i;
            $r->print("$name=$value\n");
            $r->print("DIFFERS=$name\n") if ($ENV{$name} // '') ne $value;
            return 1;
        });
        $r->print("LEAKS=$_\n") for grep { /^DRSESSION/
            && !defined $r->subprocess_env($_) } keys %ENV;
    },
    write => sub {
        my ($r) = @_;
        my $spec = $r->args // '';
        $spec =~ s/%([0-9A-F]{2})/chr hex $1/ge;
        for my $line (split /\n/, $spec) {
            my ($name, $value) = split /: /, $line, 2;
            if ($name eq 'Status') { $r->status($value) }
            else { $r->err_headers_out->add($name => $value // '') }
        }
        $r->print('ofthepage');
    },
    stream => sub {
        my ($r) = @_;
        $r->headers_out->add(DRSession => 'incr n 1');
        $r->print("first\n");
        $r->rflush;
        my $go = $r->filename =~ s{\w+\.mp$}{go}r;
        for (1 .. 200) {
            return $r->print("last\n") if -e $go;
            select undef, undef, undef, 0.02;
        }
        $r->print("late\n");
    },
    rude => sub {
        my ($r) = @_;
        my $key = $r->subprocess_env('DRSESSION_KEY');
        my $redis = IO::Socket::UNIX->new(Peer =>
            $r->subprocess_env('DRSESSION_URL') =~ s{^unix://}{}r);
        print {$redis} "HSET $key rude 1\r\nPERSIST $key\r\nPTTL $key\r\n";
        $redis->flush;
        my @said = map { scalar readline $redis } 1 .. 3;
        $r->print($said[2]);
    });
sub handler {
    my ($r) = @_;
    $r->content_type('text/plain');
    $page{ ($r->filename =~ m{(\w+)\.mp$})[0] }->($r);
    return Apache2::Const::OK;
}
1;
PERL

# What every door has in common. /child/ and the like are the same pages.
my $fields = 'user n yes none list obj big ctrl nul uni quote absent';
my $common = <<"CONF";
DRSession On
DRSessionIdle 1h
SetEnvIf Spoof "(.+)" DRSESSION_user=\$1 DRSESSION_STATUS=\$1 DRSESSION_KEY=\$1 drsession_User=\$1 SHOP_CART=\$1 DRSESSION_own=\$1
AliasMatch "^/(?:show|head|child|pass|ro)/(.*)" "\@DIR\@/docs/\$1"
RewriteEngine On
RewriteRule ^/rewritten/(.*) /show/\$1 [PT]
<Location /show>
    DRSessionExport $fields cart=SHOP_CART
</Location>
<Location /head>
    DRSessionHeader On
</Location>
<Location /pass>
    DRSessionExport user
    DRSessionOnError pass
</Location>
<LocationMatch "^/(?:child|ro)">
    DRSessionChildAccess On
</LocationMatch>
<Location /ro>
    DRSession ReadOnly
</Location>
<Location /lost>
    ErrorDocument 404 /show/env.\@EXT\@
</Location>
CONF

# A door: its pages' extension, modules, environment, configuration.
sub open_door {
    my (%door) = @_;
    my $h = DRS::Httpd->new(redis => $redis, mpm => $door{mpm},
        modules => [qw(proxy proxy_fcgi), @{ $door{modules} // [] }],
        docs => \%pages, env => $door{env}, start => 0, servers => 1);
    $h->add("lib/Guest.pm", $perl);
    $h->{conf} = ($door{load} . $common . ($door{handler} // '')
        . ($door{conf} // ''))
        =~ s/\@DIR\@/$h->{dir}/gr =~ s/\@EXT\@/$door{ext}/gr;
    # What cannot even be loaded without us is not ours to test.
    local $h->{plain} = 1;
    my ($code, $said) = $h->conftest($door{load} =~ s/\@DIR\@/$h->{dir}/gr);
    return "cannot be loaded: $said" if $code != 0;
    delete local $h->{plain};
    $h->start;
    return $h;
}

sub page { my ($folder, $name) = @_; return "/$folder/$name.$door->{ext}" }

sub ask {
    my ($path, $lines, %opt) = @_;
    return $httpd->get($path . '?' . pct(join "\n", @$lines), jar => $jar,
        %opt);
}

# Our variables as a page sees them.
sub vars {
    my ($path, %opt) = @_;
    my $r = $httpd->get($path, jar => $jar, %opt);
    return { status => $r->{status} } if $r->{status} !~ /^(?:200|404)$/;
    return { map { split /=/, $_, 2 } split /\n/, $r->{body} };
}
sub all { return JSON::PP->new->allow_nonref->canonical->decode(
    scalar($httpd->drs({ jar => $jar }, 'all')) =~ s/\Aok //r) }
sub key { return 'drsession:' . $jar->id }

sub ttl_is {
    my ($minutes, $name) = @_;
    my $ttl;
    ok wait_until(5, sub {
        $ttl = $redis->cmd('PTTL', key());
        $ttl > $minutes * 60_000 - 10_000 && $ttl <= $minutes * 60_000;
    }), $name or diag "PTTL $ttl";
}

sub variables {
    local $jar = jar();
    my $cost = $redis->count_commands(sub {
        is_deeply vars(page('show', 'env')), { DRSESSION_STATUS => 'none' },
            'without a session';
    });
    is $cost, 0, 'Redis was not asked';
    is $jar->id, undef, 'no cookie';
    $httpd->drs({ jar => $jar }, 'set user "ann"', 'set n -12.50',
        'set yes true', 'set none null', 'set list [1, "x"]',
        'set obj {"a": 1}', 'set big 12345678901234567890123',
        'set ctrl "a\u0007b"', 'set nul "a\u0000b"', 'set uni "\u00e4"',
        'set quote "a\"b=c"', 'set cart {"items":3}', 'set hidden 1');
    my $env;
    $cost = $redis->count_reads(sub { $env = vars(page('show', 'env')) });
    is_deeply $env, { DRSESSION_STATUS => 'live', DRSESSION_user => 'ann',
        DRSESSION_n => '-12.50', DRSESSION_yes => 'true',
        DRSESSION_none => '', DRSESSION_list => '[1, "x"]',
        DRSESSION_obj => '{"a": 1}',
        DRSESSION_big => '12345678901234567890123',
        DRSESSION_uni => "\xC3\xA4", DRSESSION_quote => 'a"b=c',
        SHOP_CART => '{"items":3}' }, 'with one: as the contract says'
        or diag explain $env;
    is $cost, 1, 'one round trip';
    is_deeply vars(page('show', 'env'), headers => { Cookie =>
        'drsession=' . 'q' x 44 }), { DRSESSION_STATUS => 'none' },
        'an id that Redis does not know';
}

sub redirects_and_error_documents {
    local $jar = jar();
    $httpd->drs({ jar => $jar }, 'set user "ann"');
    my $cost = $redis->count_reads(sub {
        is vars(page('rewritten', 'env'))->{DRSESSION_user}, 'ann', 'mod_rewrite';
    });
    is $cost, 1, 'one round trip';
    my $env = vars(page('lost', 'none'));
    is $env->{DRSESSION_user}, 'ann', 'an error document sees the field';
    is $env->{DRSESSION_STATUS}, 'live', 'and the status';
}

sub nobody_can_plant_a_variable {
    my @evil = (['Spoof', 'evil'], map { [$_, 'evil'] } qw(DRSESSION_user
        DRSESSION-user DRSESSION_STATUS DRSESSION-STATUS DRSESSION-KEY
        SHOP_CART SHOP-CART));
    my $shown = sub {
        my $env = vars(@_, headers => \@evil);
        delete $env->{$_} for grep { /^HTTP_/ } keys %$env;
        return $env;
    };
    local $jar = jar();
    is_deeply $shown->(page('show', 'env')), { DRSESSION_STATUS => 'none' },
        'without a session';
    $httpd->drs({ jar => $jar }, 'set user "ann"');
    is_deeply $shown->(page('show', 'env')), { DRSESSION_STATUS => 'live',
        DRSESSION_user => 'ann' }, 'with one';
    my $env = $shown->(page('child', 'env'));
    is $env->{DRSESSION_KEY}, key(), 'the key is ours';
    is scalar(grep { /DRSESSION/i && $env->{$_} =~ /evil/ } keys %$env), 0,
        'nor one with child access';
    is_deeply vars(page('show', 'env') . '?DRSESSION_user=evil&SHOP_CART=evil'),
        { DRSESSION_STATUS => 'live', DRSESSION_user => 'ann' },
        'nor by the query';
}

# Requests of two sessions and of none, one after the other in one process.
sub nothing_is_left_for_the_next_request {
    my @jars = map { jar() } 1 .. 3;
    $httpd->drs({ jar => $jars[$_] }, "set user \"u$_\"", "set n $_") for 0, 1;
    my $wrong = 0;
    for my $i (0 .. 29) {
        local $jar = $jars[$i % 3];
        my $env = vars(page('show', 'env'), close => $i % 2);
        my $want = $i % 3 == 2 ? { DRSESSION_STATUS => 'none' }
            : { DRSESSION_STATUS => 'live', DRSESSION_user => 'u' . $i % 3,
                DRSESSION_n => $i % 3 };
        $wrong++ if join(' ', map { "$_=$env->{$_}" } sort keys %$env)
            ne join ' ', map { "$_=$want->{$_}" } sort keys %$want;
        $env = vars(page('child', 'env')) if $i % 5 == 0;
    }
    is $wrong, 0, 'of 30 requests each saw its own';
}

sub the_response_header {
    my $say = sub { ask(page('head', 'write'), \@_) };
    for my $status (200, 404, 500, 302, 304) {
        local $jar = jar();
        my $r = $say->("Status: $status",
            $status == 302 ? 'Location: http://127.0.0.1/x' : (),
            'DRSession: set by "one, two"',
            'DRSession: incr n 2, incr n 3');
        is $r->{status}, $status, "$status: the status is the page's";
        is header($r, 'DRSession'), undef, 'the header is not shown';
        is scalar(my @c = headers($r, 'Set-Cookie')), 1, 'one cookie';
        is_deeply all(), { by => 'one, two', n => 5 }, 'it is done';
        is $r->{body}, $status == 304 ? '' : 'ofthepage', 'with the body';
    }
    local $jar = jar();
    $say->('DRSession: set a 1');
    my $cost = $redis->count_reads(sub {
        $say->('DRSession: set b 1', 'DRSession: delete a, incr n 1');
    });
    is $cost, 1, 'one round trip';
    my $r = $say->('DRSession: set c 1', 'DRSession: nonsense');
    is $r->{status}, 502, 'a malformed one is 502';
    unlike $r->{body}, qr/ofthepage/, 'without the body';
    is_deeply all(), { b => 1, n => 1 }, 'and nothing is done';
    is $say->('DRSession: set b "x"', 'DRSession: incr b 1')->{status}, 503,
        'one that cannot be done is 503';
    is_deeply all(), { b => 1, n => 1 }, 'and nothing is done';
    is header(ask(page('show', 'write'), ['DRSession: set d 1']),
        'DRSession'), 'set d 1', 'off, it means nothing';
}

# The first bytes come while the page runs, and only when all is done. The page
# goes on when it is told to.
sub a_streamed_page {
    local $jar = jar();
    $httpd->drs({ jar => $jar }, 'set n 1');
    my $socket = IO::Socket::INET->new(PeerAddr => '127.0.0.1',
        PeerPort => $httpd->port) or die "connect: $!";
    print {$socket} 'GET ', page('head', 'stream'), " HTTP/1.1\r\nHost: h\r\n",
        'Cookie: ', $jar->header, "\r\nConnection: close\r\n\r\n";
    my $text = '';
    while ($text !~ /first/ && sysread $socket, $text, 4096, length $text) { }
    is $redis->cmd('HGET', key(), 'n'), 2, 'done before the first byte';
    unlike $text, qr/last|late|DRSession:/, 'which does not wait for the last';
    $httpd->add('docs/go', '');
    1 while sysread $socket, $text, 4096, length $text;
    like $text, qr/last/, 'which comes too';
    is $redis->cmd('HGET', key(), 'n'), 2, 'done once';
}

sub child_access {
    local $jar = jar();
    my $env = vars(page('child', 'env'));
    is $env->{DRSESSION_STATUS}, 'none', 'a visitor has no session';
    is $env->{DRSESSION_KEY}, key(), 'but the key that its cookie names';
    is $env->{DRSESSION_IDLE}, 3_600_000, 'the expiry in milliseconds';
    is $env->{DRSESSION_URL}, $redis->url, 'the url';
    is $redis->cmd('EXISTS', key()), 0, 'nothing is in Redis';
    my $r = $httpd->get(page('child', 'rude'), jar => $jar);
    is $r->{body}, ":-1\r\n", 'a page writes, and sets no expiry';
    ttl_is(60, 'httpd does when the request ends');
    is $httpd->get(page('child', 'rude'), jar => $jar)->{body}, ":-1\r\n",
        'with a session that was there';
    ttl_is(60, 'the same');
    is $httpd->drs({ jar => $jar }, 'get rude'), 'ok 1',
        'what it wrote is there';
    $env = vars(page('child', 'env'));
    is $env->{DRSESSION_STATUS}, 'live', 'now the session is live';
    is $env->{DRSESSION_KEY}, key(), 'under the same key';
    is vars(page('show', 'env'))->{DRSESSION_KEY}, undef,
        'no other page learns the key';
    local $jar = jar();
    $env = vars(page('ro', 'env'));
    is_deeply $env, { DRSESSION_STATUS => 'none' }, 'nor a read-only one';
    is $jar->id, undef, 'and no cookie';
}

sub redis_away {
    local $jar = jar();
    $httpd->drs({ jar => $jar }, 'set user "ann"');
    $redis->stop;
    for my $folder (qw(show child)) {
        my $r = $httpd->get(page($folder, 'env'), jar => $jar);
        is $r->{status}, 503, "fail is 503 ($folder)";
        ok defined header($r, 'Retry-After'), 'with Retry-After';
    }
    is_deeply vars(page('pass', 'env')), { DRSESSION_STATUS => 'unavailable' },
        'pass says so';
    my $r = ask(page('head', 'write'), ['DRSession: set a 1']);
    is $r->{status}, 503, 'a write that is lost is 503';
    unlike $r->{body}, qr/ofthepage/, 'without the body';
    $redis->start;
}

# Counts, keeps a name in any script, and loses none of many visits at once.
sub try_example {
    my ($path, $racy) = @_;
    local $jar = jar();
    my $get = sub { $httpd->get("$path$_[0]", jar => $jar) };
    is $get->('')->{body}, "Visit 1 of stranger.\n", "$path";
    is $get->('?name=%C3%84nn')->{body}, "Visit 2 of \xC3\x84nn.\n",
        'with a name';
    is $get->('')->{body}, "Visit 3 of \xC3\x84nn.\n", 'and again';
    is $httpd->drs({ jar => $jar }, 'get_string name'), "ok \xC3\x84nn",
        'as a module sees it';
    ttl_is(30, 'with its expiry');
    parallel(4, sub { $get->('') for 1 .. 5; return '' });
    is $httpd->drs({ jar => $jar }, 'get_int visits'), 'ok 23', 'none is lost';
    is header($get->(''), 'DRSession'), undef, 'no header of ours is shown';
    is $get->('?name=%22%0D%0AX')->{status}, 200, 'a name of any bytes';
    is $httpd->drs({ jar => $jar }, 'get_string name'), "ok \"\r\nX", 'is kept';
    is $get->('?name=%FF')->{status}, 200, 'even one that is no UTF-8';
}

sub try_examples {
    my ($load, @names) = @_;
    for my $name (@names) {
        my $shop = DRS::Httpd->new(redis => $redis, mpm => $door->{mpm},
            modules => [qw(proxy proxy_fcgi)], env => $door->{env},
            docs => { $name => $example{$name} }, start => 0);
        $shop->{conf} = $load . $conf_of{$name}
            =~ s{/srv/shop}{$shop->{dir}/docs}gr;
        $shop->start;
        local $httpd = $shop;
        try_example($name =~ /php$/ ? "/$name" : '/visits');
        error_log_is_clean($shop);
        $shop->stop;
    }
}

sub battery {
    my (%door) = @_;
    local $door = \%door;
    local $httpd = open_door(%door);
    skip_loudly("$door{name} $httpd") unless ref $httpd;
    no strict 'refs';
    subtest $_ => \&{"main::$_"}
        for qw(variables redirects_and_error_documents
        nobody_can_plant_a_variable nothing_is_left_for_the_next_request
        the_response_header a_streamed_page child_access redis_away);
    error_log_is_clean($httpd, qr/response header DRSession/,
        qr/sessions are down: /,
        qr/drsession:error\].*DRSession(?:Export|ChildAccess) /,
        qr/AH00128|AH01075.*passing brigade/);
    $httpd->stop;
    subtest examples => sub { try_examples(
        $door{load} . ($door{handler} // ''), @{ $door{examples} }) } if $door{examples};
}

# A php.ini of our own, and the extensions that were found. PHP opens them in a
# way (RTLD_DEEPBIND) in which the sanitizers end the process.
sub php_ini {
    my ($root) = @_;
    my $dir = File::Temp->newdir('drs-php-XXXXXX', TMPDIR => 1);
    chmod 0755, $dir;
    my @extensions = $ENV{DRS_PRELOAD} ? () : grep { defined }
        map { DRS::Guests::find($root, "usr/lib/php/2*/$_.so") } qw(igbinary redis);
    open my $out, '>', "$dir/php.ini" or die "php.ini: $!";
    print {$out} "output_buffering = 0\nlog_errors = On\n",
        "error_reporting = E_ALL\ndisplay_errors = Off\n",
        @extensions == 2 ? map { "extension = $_\n" } @extensions : ();
    close $out;
    return ($dir, @extensions == 2);
}

sub php {
    my ($root, $why) = DRS::Guests::unpacked('php');
    skip_loudly($why) unless defined $root;
    my ($dir, $has_redis) = php_ini($root);
    diag 'not tried: live.php, for PHP has no extension redis '
        . ($ENV{DRS_PRELOAD} ? 'under sanitizers' : 'here') unless $has_redis;
    my $env = { DRS::Guests::paths($root), PHP_INI_SCAN_DIR => '' };
    my %php = (ext => 'php', env => $env,
        examples => ['visits.php', $has_redis ? 'live.php' : ()]);
    subtest 'mod_php' => sub {
        my $module = DRS::Guests::find($root, 'usr/lib/apache2/modules/libphp*.so')
            // skip_loudly('no mod_php in its packages');
        battery(%php, name => 'mod_php', mpm => 'prefork',
            load => "LoadModule php_module $module\nPHPINIDir $dir\n",
            handler => "<FilesMatch \"\\.php\$\">\n"
                . "    SetHandler application/x-httpd-php\n</FilesMatch>\n");
    };
    subtest 'php_fpm' => sub {
        my ($fpm, $none) = DRS::Guests::start_fpm($root, $dir);
        skip_loudly($none) unless defined $fpm;
        battery(%php, name => 'php-fpm', mpm => 'event', load => '',
            handler => "<FilesMatch \"\\.php\$\">\n    SetHandler "
                . "\"proxy:unix:$dir/fpm.sock|fcgi://localhost/\"\n"
                . "</FilesMatch>\n<Proxy fcgi://localhost/>\n"
                . "    ProxySet flushpackets=on\n</Proxy>\n");
        DRS::Proc::stop($fpm, 'QUIT');
    };
}

sub wsgi {
    my ($root, $why) = DRS::Guests::unpacked('wsgi');
    skip_loudly($why) unless defined $root;
    my $module = DRS::Guests::find($root, 'usr/lib/apache2/modules/mod_wsgi.so*')
        // skip_loudly('no mod_wsgi in its packages');
    my %wsgi = (ext => 'wsgi', mpm => 'event', env => { DRS::Guests::paths($root) },
        examples => ['visits.wsgi'], load => "LoadModule wsgi_module $module\n");
    # The main interpreter: a child of httpd with others needs ten seconds and
    # a SIGKILL to end.
    my $handler = "WSGIApplicationGroup %{GLOBAL}\n<FilesMatch \"\\.wsgi\$\">\n    SetHandler wsgi-script\n"
        . "</FilesMatch>\n";
    subtest 'mod_wsgi_embedded' => sub {
        battery(%wsgi, name => 'mod_wsgi', handler => $handler);
    };
    subtest 'mod_wsgi_daemon' => sub {
        battery(%wsgi, name => 'mod_wsgi', handler => $handler
            . "WSGISocketPrefix run/wsgi\n"
            . "WSGIDaemonProcess shop processes=1 threads=4\n"
            . "WSGIProcessGroup shop\n");
    };
}

sub mod_perl {
    my ($root, $why) = DRS::Guests::unpacked('perl');
    skip_loudly($why) unless defined $root;
    my $module = DRS::Guests::find($root, 'usr/lib/apache2/modules/mod_perl.so')
        // skip_loudly('no mod_perl in its packages');
    for my $mpm (qw(prefork event)) {
        subtest "mod_perl_$mpm" => sub {
            battery(name => 'mod_perl', ext => 'mp', mpm => $mpm,
                env => { DRS::Guests::paths($root) }, examples => ['Visits.pm'],
                load => "LoadModule perl_module $module\n",
                conf => "PerlRequire \@DIR\@/lib/Guest.pm\n"
                    . "<FilesMatch \"\\.mp\$\">\n    SetHandler perl-script\n"
                    . "    PerlResponseHandler Guest\n</FilesMatch>\n");
        };
    }
}

is join(' ', sort keys %example), 'Visits.pm live.php visits.php visits.wsgi',
    'docs/languages.md has its examples';
subtest php => \&php;
subtest wsgi => \&wsgi;
subtest perl => \&mod_perl;
done_testing;
