#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# What an attacker with a client can try: ids, cookies, names of keys, fields
# and files, floods, spoofed variables. docs/security.md names these tests.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/lib";
use DRS;
use DRS::Backend;
use File::Temp qw(tempdir);
use JSON::PP;
use Test::More;
use Time::HiRes qw(sleep time);

my @proxy = qw(proxy proxy_http proxy_fcgi);
needs(@proxy, qw(include rewrite headers setenvif alias));
my $redis   = start_redis();
my $backend = DRS::Backend->new;
my $scratch = tempdir(CLEANUP => 1);
chmod 0755, $scratch;
my $seed = time ^ $$;
srand $seed;
diag "seed $seed" if $ENV{HARNESS_IS_VERBOSE};

my $printenv = "#!/bin/sh\nprintf 'Content-Type: text/plain\\r\\n\\r\\n'\nenv -0\n";
my %files = (cgi => { env => $printenv },
    docs => { 'page.txt' => 'page',
        'inc.shtml' => '<!--#include virtual="/cgi/env" -->' });
my $conf = <<"CONF";
DRSession On
DRSessionIdle 1h
SetEnvIf Spoof "(.+)" DRSESSION_user=\$1 drsession_USER=\$1 DRSESSION_STATUS=\$1 DRSESSION_KEY=\$1 DRSESSION_URL=\$1 DRSESSION_new=\$1 SHOP_CART=\$1 shop_cart=\$1
RewriteEngine On
RewriteCond %{HTTP:Spoof} (.+)
RewriteRule ^ - [E=DRSESSION_user:%1,E=DRSESSION_STATUS:%1,E=SHOP_CART:%1]
RewriteRule ^/rewritten\$ /cgi/env [PT]
ScriptAlias /off/ cgi/
ScriptAlias /own/ cgi/
<LocationMatch "^/(?:cgi|off)">
    DRSessionExport user cart=SHOP_CART
    DRSessionOnError pass
</LocationMatch>
<Location /off>
    DRSession Off
</Location>
<Location /own>
    DRSessionExport f0 f1 f2 f3 f4 f5 f6 f7 f8 f9
</Location>
<Location /not>
    ErrorDocument 404 /cgi/env
</Location>
<Location /raw>
    SetHandler drstest
    DRSessionCodec raw
    DRSessionLimit value=2m
</Location>
<Location /session>
    SetHandler drsession
    DRSessionAllow read *
    DRSessionAllow write *
</Location>
<Location /some>
    SetHandler drsession
    DRSessionAllow read seen
    ErrorDocument 404 "no"
</Location>
<Location /forward>
    DRSessionForward user X-Session-User
</Location>
ProxyPass /forward/http ${\$backend->url('http')}
ProxyPass /forward/fcgi ${\$backend->url('fcgi')}
CONF
my $httpd = start_httpd(redis => $redis, modules => \@proxy, conf => $conf,
    %files);

# All that others sent to Redis meanwhile, as MONITOR tells it.
sub watch {
    my ($work) = @_;
    my $pid = DRS::Proc::spawn(log => "$scratch/monitor", argv => [$^X, '-e',
        'use IO::Socket::UNIX; $| = 1; my $s = IO::Socket::UNIX->new(shift);'
        . 'print $s "MONITOR\r\n"; $s->flush; print while <$s>', $redis->socket]);
    wait_until(10, sub { DRS::Httpd::slurp("$scratch/monitor") =~ /^\+OK/ });
    $work->();
    $redis->cmd('ECHO', 'the end');
    wait_until(10, sub { DRS::Httpd::slurp("$scratch/monitor") =~ /the end/ });
    DRS::Proc::stop($pid);
    my @lines = split /\n/, DRS::Httpd::slurp("$scratch/monitor");
    unlink "$scratch/monitor";
    return map { [map { s/\\x([0-9a-f]{2})/chr hex $1/ger } /"((?:[^"\\]|\\.)*)"/g] }
        grep { s/^\+(?=\d+\.\d+ \[)// } @lines;
}

# The keys of one command.
sub keys_of {
    my ($name, @args) = @{ $_[0] };
    return () if $name =~ /^(?:ECHO|INFO|MULTI|EXEC|SELECT|AUTH|COMMAND)$/i;
    return @args[2 .. 1 + $args[1]] if $name =~ /^EVAL/i;
    return @args[0, 1] if $name =~ /^RENAME/i;
    return $args[0];
}

sub random_of { my ($set, $n) = @_; return join '', map { $set->[rand @$set] } 1 .. $n }

my @letters = ('A' .. 'Z', 'a' .. 'z', 0 .. 9, '-', '_');
my @bytes = grep { !/[\r\n\0]/ } map { chr } 0 .. 255;

# A cookie value somewhere between an id and noise.
sub fuzz {
    my $id = random_of(\@letters, (43, 44)[rand 2]);
    my $kind = int rand 8;
    return $id if $kind == 0;
    substr($id, rand length $id, 1) = $bytes[rand @bytes] if $kind < 5;
    return $id . random_of(\@bytes, 1 + rand 3) if $kind == 5;
    return random_of([':', '*', '/', '.', '%00', '..', '?', '[', @letters],
        rand 60) if $kind == 6;
    return random_of(\@bytes, rand 200) if $kind == 7;
    return $id;
}

subtest 'only_keys_of_the_right_shape_are_ever_named' => sub {
    my $bad = 0;
    my @said = watch(sub {
        for my $n (1 .. 3000) {
            my $r = $httpd->request('POST', '/drs', headers => [['Cookie',
                'drsession=' . fuzz()]], body => join "\n", ('get a', 'has a',
                'set a 1', 'incr n 1', 'all', 'del a', 'pop a', 'regenerate',
                'destroy')[rand 9], '');
            $bad++ if $r->{status} !~ /^(?:200|400)$/;
        }
    });
    is $bad, 0, 'every cookie has an answer';
    my @keys = map { keys_of($_) } @said;
    cmp_ok scalar(@keys), '>', 500, 'Redis was asked for some';
    my @odd = grep { !/\Adrsession:[A-Za-z0-9_-]{43,44}\z/ } @keys;
    is scalar(@odd), 0, 'all keys are the prefix and an id'
        or diag explain \@odd;
    $redis->cmd('FLUSHALL');
};

subtest 'one_cookie_or_none_wherever_its_pairs_travel' => sub {
    my $jar = jar();
    $httpd->drs({ jar => $jar }, 'set a 1');
    my ($own, $other) = ($jar->id, 'b' x 44);
    my @rows = ([1, "drsession=$own"],
        [1, "drsession=$own; drsession=$own"],
        [0, "drsession=$own; drsession=$other"],
        [0, "drsession=$other; drsession=$own"],
        [0, "drsession=$own", "drsession=$own"],
        [0, "drsession=$own", "drsession=$other"]);
    for my $row (@rows) {
        my ($bound, @lines) = @$row;
        is $httpd->drs({ headers => [map { ['Cookie', $_] } @lines] },
            'is_bound'), "ok $bound",
            scalar(@lines) . ' lines, ' . ($bound ? 'one id' : 'no session');
    }
    my $at = start_httpd(redis => $redis, modules => ['http2'],
        conf => "DRSession On\nProtocols h2c http/1.1\n");
    SKIP: {
        skip 'this curl has no HTTP/2', 4
            unless qx(curl --version) =~ /\bHTTP2\b/;
        $rows[4] = [1, "drsession=$own", "drsession=$own"];
        for my $row ([1, "drsession=$own", 'x=y'],
            @rows[4, 5], [0, "drsession=$other", 'x=y', "drsession=$own"]) {
            my ($bound, @crumbs) = @$row;
            my $said = qx(@{[join ' ', 'curl', '-sS', '--http2-prior-knowledge',
                (map { "-H 'Cookie: $_'" } @crumbs), '--data-binary is_bound',
                $at->url('/drs')]} 2>&1);
            is $said, "ok $bound\n", scalar(@crumbs) . ' crumbs of HTTP/2, '
                . ($bound ? 'one id' : 'no session');
        }
    }
    error_log_is_clean($at);
    $at->stop;
};

subtest 'names_and_values_are_bytes_and_never_commands' => sub {
    my $jar = jar();
    my $all = join '', map { chr } 0 .. 255;
    $httpd->drs({ jar => $jar }, 'set a 1');
    my $key = 'drsession:' . $jar->id;
    my $cost = $redis->count_commands(sub { $httpd->drs({ jar => $jar }, 'set v 1') });
    for my $name ("x\r\nFLUSHALL\r\n", '%s%n%p', '$5', "*1\r\n\$8\r\nFLUSHALL",
        "'; redis.call('FLUSHALL') --", '"]]', 'a b', "\t", '-1', 'return 1',
        "\xC3\xA4\xE2\x82\xAC", 'KEYS[1]', 'set', 'x' x 255) {
        my $value = "\"$name\"";
        $value = encode_json([$name]) unless $name =~ /[\xC3"]/;
        my $now = $redis->count_commands(sub {
            is $httpd->drs({ jar => $jar }, 'set ' . pct($name) . ' ' . pct('1')),
                'ok', 'field ' . substr pct($name), 0, 40;
        });
        is $now, $cost, 'costs what any write costs';
        is $redis->cmd('HGET', $key, $name), '1', 'under its name';
    }
    # A megabyte of every byte there is, through the codec that takes bytes.
    my $big = substr $all x 4096, 0, 1 << 20;
    $cost = $redis->count_commands(sub { $httpd->drs({ jar => $jar }, 'set v 1') });
    for my $value ($big, "\r\n+OK\r\n", "\$-1\r\n", "*3\r\n", "\0" x 100, $all) {
        my $now = $redis->count_commands(sub {
            is $httpd->drs({ jar => $jar, path => '/raw' }, 'set v ' . pct($value)),
                'ok', length($value) . ' bytes';
        });
        is $now, $cost, 'are one command';
        ok $redis->cmd('HGET', $key, 'v') eq $value, 'and stand there as they were';
        my $back = $httpd->drs({ jar => $jar, path => '/raw' }, 'get v');
        ok $back eq "ok $value", 'and come back so';
    }
    is $redis->cmd('EXISTS', $key), 1, 'nothing was flushed';
    $redis->cmd('FLUSHALL');
};

subtest 'a_list_longer_than_a_session_is_refused_before_redis' => sub {
    my $jar = jar();
    $httpd->drs({ jar => $jar }, 'set a 1');
    # Names that the Lua of Redis hashes alike: it looks at every fourth byte.
    my @alike = map { my $n = $_; my $name = 'a' x 100;
        for my $at (1, 2, 3, 5, 6, 7) {
            substr($name, $at, 1) = chr 97 + $n % 4;
            $n = int $n / 4;
        }
        $name } 0 .. 4095;
    for my $value ('1', 'null') {
        my $body = '{' . join(',', map { "\"$_\":$value" } @alike) . '}';
        my ($r, $took);
        my $cost = $redis->count_commands(sub {
            ($took, $r) = timed(sub { $httpd->request('PATCH', '/session/',
                jar => $jar, body => $body) });
        });
        is $r->{status}, 413, "4,096 fields at once, $value: 413";
        is $cost, 0, 'Redis was not asked';
        cmp_ok $took, '<', 2, 'and it took no time' or diag $took;
    }
    my $fits = '{' . join(',', map { "\"$_\":1" } @alike[0 .. 998]) . '}';
    is $httpd->request('PATCH', '/session/', jar => $jar, body => $fits)
        ->{status}, 204, 'as many as fit are written';
    is $httpd->request('PATCH', '/session/', jar => $jar,
        body => $fits =~ s/:1/:null/gr)->{status}, 204, 'and deleted';
    $redis->cmd('FLUSHALL');
};

# Every process of httpd has found Redis again.
sub is_back {
    my $n = 0;
    ok wait_until(10, sub {
        my $r = $httpd->get('/session/', jar => jar(drsession => 'k' x 44),
            close => 1);
        $n = $r->{status} == 200 ? $n + 1 : 0;
        return $n > 40;
    }), 'all is well again';
}

# What a program sees: its variables.
sub env {
    my ($text) = @_;
    return { map { /\A([^=]+)=(.*)\z/s ? ($1, $2) : () } split /\0/, $text };
}

my $state_jar = jar();
$httpd->drs({ jar => $state_jar }, 'set user "ann"', 'set cart {"n":1}');
my %state = (
    'no session'    => [sub { jar() }, 'none'],
    'a session'     => [sub { $state_jar->copy }, 'live'],
    'an unknown id' => [sub { jar(drsession => 'Q7_' . 'abcdefghij' x 4 . 'x') }, 'none'],
    'a malformed id' => [sub { jar(drsession => 'live') }, 'none'],
    'Redis down'    => [sub { $state_jar->copy }, 'unavailable'],
);
my %way = (
    'GET'                => ['GET', '/cgi/env'],
    'POST'               => ['POST', '/cgi/env'],
    'OPTIONS'            => ['OPTIONS', '/cgi/env'],
    'an odd method'      => ['PROPFIND', '/cgi/env'],
    'mod_rewrite'        => ['GET', '/rewritten'],
    'an error document'  => ['GET', '/not/there'],
    'a subrequest'       => ['GET', '/inc.shtml'],
    'DRSession Off'      => ['GET', '/off/env'],
);
my @spoofs = (
    [],
    [['Spoof', 'evil']],
    [['DRSESSION_user', 'evil'], ['DRSESSION-user', 'evil'],
     ['DRSession-Status', 'evil'], ['SHOP_CART', 'evil'], ['SHOP-CART', 'evil']],
    [['Spoof', 'evil'], ['DRSESSION_STATUS', 'evil'], ['drsession_key', 'evil'],
     ['Drsession-Url', 'evil'], ['REDIRECT_DRSESSION_user', 'evil']],
);

subtest 'variables_of_the_session_are_true_in_every_state_and_way' => sub {
    for my $state (sort { ($a =~ /down/) <=> ($b =~ /down/) || $a cmp $b } keys %state) {
        my ($jar, $status) = @{ $state{$state} };
        $redis->stop if $state eq 'Redis down';
        for my $way (sort keys %way) {
            my ($method, $path) = @{ $way{$way} };
            my $wrong = 0;
            for my $spoof (@spoofs) {
                my $r = $httpd->request($method, $path, jar => $jar->(),
                    headers => $spoof);
                my $env = env($r->{body});
                my %ours = map { $_ => $env->{$_} }
                    grep { /^(?:DRSESSION|SHOP_)/i } keys %$env;
                my %true = $way eq 'DRSession Off' ? ()
                    : (DRSESSION_STATUS => $status, $status ne 'live' ? ()
                        : (DRSESSION_user => 'ann', SHOP_CART => '{"n":1}'));
                next if $env->{GATEWAY_INTERFACE}
                    && join("\1", map { ($_, $ours{$_}) } sort keys %ours)
                    eq join("\1", map { ($_, $true{$_}) } sort keys %true);
                $wrong++;
                diag explain $r->{status}, \%ours;
            }
            is $wrong, 0, "$state, $way: nothing but the truth";
        }
        $redis->start if $state eq 'Redis down';
    }
    is_back();
    $redis->cmd('FLUSHALL');
};

# Text as JSON would have it, and what a program may be shown of it.
subtest 'an_export_is_exact_or_absent' => sub {
    my $jar = jar();
    my $json = JSON::PP->new->latin1->allow_nonref;
    my @sets = ([map { chr } 0x20 .. 0x7e], [map { chr } 0 .. 0xff], [@letters, "\n", "\r", "\0"],
        ['=', '"', '\\', "'", '$', '`', ';', ' '], [map { chr } 0x80 .. 0x2fff]);
    my ($wrong, $shown, $absent) = (0, 0, 0);
    for my $round (1 .. 40) {
        my %value = map { ("f$_" => join '', map { $_->[rand @$_] }
            ($sets[rand @sets]) x (1 + rand 30)) } 0 .. 9;
        is $httpd->drs({ jar => $jar }, 'set_many ' . join "\t",
            map { "$_ " . pct(JSON::PP->new->ascii->allow_nonref->encode($value{$_})) }
            keys %value), 'ok', 'ten fields';
        my $env = env($httpd->get('/own/env', jar => $jar)->{body});
        for my $field (keys %value) {
            my $text = $value{$field};
            utf8::encode($text);
            my $got = $env->{"DRSESSION_$field"};
            my $fit = $text !~ /[\0-\x1f\x7f]/;
            ${ $fit ? \$shown : \$absent }++;
            next if $fit ? defined $got && $got eq $text : !defined $got;
            $wrong++;
            diag explain [$field, $text, $got];
        }
    }
    is $wrong, 0, 'of 400 random texts each';
    cmp_ok $shown, '>', 50, 'many are shown';
    cmp_ok $absent, '>', 50, 'and many are not';
    $redis->cmd('FLUSHALL');
};

subtest 'a_trailer_is_no_header' => sub {
    my $at = start_httpd(redis => $redis, modules => \@proxy, %files,
        conf => "MergeTrailers Off\n$conf");
    for my $way (qw(http fcgi)) {
        my $r = $at->request('POST', "/forward/$way/echo", headers => [
            ['Transfer-Encoding', 'chunked'], ['Trailer', 'X-Session-User'],
            ['X-Kept', 'yes']],
            body => "5\r\nhello\r\n0\r\nX-Session-User: evil\r\n"
            . "X_Session_User: evil\r\n\r\n");
        is $r->{status}, 200, $way;
        like $r->{body}, qr/^(?:HTTP_)?X.Kept: yes\r?$/mi,
            'the request is shown';
        unlike $r->{body}, qr/evil/, 'nothing of it';
    }
    my ($code, $said) = $at->conftest("MergeTrailers On\n$conf");
    isnt $code, 0, 'MergeTrailers On is refused';
    like $said, qr/DRSessionForward.*MergeTrailers On/, 'by its name';
    error_log_is_clean($at, qr/DRSessionForward.*MergeTrailers On/);
    $at->stop;
};

subtest 'no_spelling_of_a_path_reaches_a_field_that_is_not_allowed' => sub {
    my $jar = jar();
    $httpd->drs({ jar => $jar }, 'set seen "open"', 'set hidden "S3cr3t"');
    is $httpd->get('/some/seen', jar => $jar)->{body}, '"open"', 'one is';
    for my $path (qw(/some/hidden /some/%68idden /some/%2568idden /some//hidden
        //some/hidden /some/./hidden /some/seen/../hidden /some/../some/hidden
        /some/%2e%2e/some/hidden /some/seen%2f..%2fhidden /some/seen%00hidden
        /some/hidden%00 /some/hidden%20 /some/hidden; /some/;/hidden
        /some;x/hidden /some\hidden /some/hidden? /some/hidden?pop
        /some/hidden?add /some/hidden?incr=0 /some/ /some /some/. /some/?hidden
        /some/*), '/some/seen%0ahidden', '/some/seen%ffhidden') {
        for my $method (qw(GET HEAD POST PUT PATCH DELETE OPTIONS)) {
            my $r = $httpd->request($method, $path, jar => $jar, close => 1,
                $method =~ /^P/ ? (body => '{"hidden":1}') : ());
            unlike $r->{body} . join('', map { "@$_" } @{ $r->{headers} }),
                qr/S3cr3t/, "$method $path";
        }
    }
    my $r = $httpd->get('http://127.0.0.1/some/hidden', jar => $jar);
    unlike $r->{body}, qr/S3cr3t/, 'nor a whole url';
    is_deeply { @{ $redis->cmd('HGETALL', 'drsession:' . $jar->id) } },
        { seen => '"open"', hidden => '"S3cr3t"' }, 'and nothing has changed';
    $redis->cmd('FLUSHALL');
};

subtest 'an_answer_is_no_script_and_tells_nothing_of_redis' => sub {
    my $jar = jar();
    $httpd->request('PUT', '/session/a', jar => $jar, body => '1');
    for my $path (qw(/session/a /session/ /session/none /some/hidden)) {
        my $r = $httpd->get($path, jar => $jar);
        is header($r, 'X-Content-Type-Options'), 'nosniff', "$path: nosniff";
        is header($r, 'Cross-Origin-Resource-Policy'), 'same-origin',
            'and for its own origin alone';
    }
    $redis->cmd('SET', 'drsession:' . 'w' x 44, 'x');
    my @r = $httpd->get('/session/a', jar => jar(drsession => 'w' x 44));
    $redis->stop;
    push @r, $httpd->get('/session/a', jar => $jar),
        $httpd->request('PUT', '/session/a', jar => $jar, body => '1');
    is join(' ', map { $_->{status} } @r), '500 503 503', 'three failures';
    unlike $_->{body}, qr/redis|sock|\Q${\$redis->dir}\E|WRONGTYPE/i,
        'whose cause is in the log alone' for @r;
    like $httpd->error_log, qr/\Q${\$redis->socket}\E/, 'and there it is';
    $redis->start;
    is_back();
};

# How many requests ab lost: httpd may close a kept connection instead of
# reading on, which a browser repeats and ab does not. Each other answer has
# to be there, and whole.
sub lost_by {
    my ($said) = @_;
    my %of = map { $_ => $said =~ /^$_: +(\d+)/m ? $1 : 0 } 'Document Length',
        'Complete requests', 'Failed requests', 'Keep-Alive requests',
        'HTML transferred';
    my $failed = $of{'Failed requests'};
    return 0 if !$failed;
    my $whole = $of{'Complete requests'} - $failed;
    return $said =~ /Connect: 0, Receive: 0, Length: $failed, Exceptions: 0/
        && $of{'HTML transferred'} == $whole * $of{'Document Length'}
        && $of{'Keep-Alive requests'} <= $whole ? $failed : $said;
}

subtest 'crowds_without_a_cookie_leave_nothing' => sub {
    my ($keys, $url) = ($redis->cmd('DBSIZE'), $httpd->url('/cgi'));
    my $cost = $redis->count_commands(sub {
        for my $path ('/page.txt', '/session/', '/session/user', '/drs') {
            my $said = qx(ab -q -k -n 5000 -c 16 '${\$httpd->url($path)}' 2>&1);
            like $said, qr/Complete requests: +5000/, "5,000 times $path";
            like lost_by($said), qr/\A\d{1,2}\z/, 'without a failure';
        }
        my $bad = 0;
        for (1 .. 1000) {
            my $r = $httpd->request('DELETE', '/session/');
            $bad++ if $r->{status} != 204 || header($r, 'Set-Cookie');
        }
        is $bad, 0, '1,000 logouts';
    });
    is $cost, 0, 'Redis was not asked';
    is $redis->cmd('DBSIZE'), $keys, 'no key was made';
    my $jar = jar(drsession => 'k' x 44);
    $httpd->request('DELETE', '/session/', jar => $jar) for 1 .. 200;
    is $redis->cmd('DBSIZE'), $keys, 'nor by logouts of sessions that are none';
};

subtest 'no_key_is_without_its_expiry_when_httpd_is_killed' => sub {
    $redis->cmd('FLUSHALL');
    for (1 .. 6) {
        my $at = start_httpd(redis => $redis, conf => $conf, %files,
            modules => \@proxy);
        my $pid = $at->pid;
        my $before = $redis->cmd('DBSIZE');
        my @done = parallel(4, sub {
            my ($k) = @_;
            if ($k == 0) {
                wait_until(10, sub { $redis->cmd('DBSIZE') >= $before + 20 });
                sleep rand 0.3;
                # The whole group: it is a session of its own.
                kill 'KILL', -$pid;
                return 0;
            }
            my $n = 0;
            my $end = time + 10;
            while (time < $end) {
                my $jar = jar();
                eval { $at->drs({ jar => $jar }, 'set a 1', 'incr n 1',
                    "set_many b 1\tc 2", 'regenerate', 'del a'); 1 } or last;
                $n++;
            }
            return $n;
        });
        $at->stop;
    }
    my @keys = @{ $redis->cmd('KEYS', '*') };
    cmp_ok scalar(@keys), '>', 100, scalar(@keys) . ' sessions were made';
    is scalar(grep { $redis->cmd('PTTL', $_) < 0 } @keys), 0, 'all will end';
    $redis->cmd('FLUSHALL');
};

# RFC 6265bis section 4.1.1, what servers should send.
my $token = qr/[!#\$%&'*+\-.^_`|~0-9A-Za-z]+/;
my $path_value = qr/[ -+\--:<-~]+/;
my $grammar = qr{\A$token=[\w-]{0,44}
    (?:;\ (?:Path=/$path_value?|Domain=[\w.-]+|Max-Age=(?:0|[1-9]\d*)
    |Expires=Thu,\ 01\ Jan\ 1970\ 00:00:00\ GMT|Secure|HttpOnly
    |SameSite=(?:Lax|Strict|None)|Partitioned))*\z}x;

subtest 'every_cookie_sent_is_of_the_strict_grammar' => sub {
    my @cookie = ('sid', '__Host-sid', '__Secure-a Secure=on',
        q(!#$&'*+-.^_`|~ Path=/), 'c "Path=/a b/=\"x\""', 'c Path=/%0d%0aX:y',
        'c Domain=.example.test', 'c Max-Age=session', 'c Max-Age=1',
        'c SameSite=None Secure=on Partitioned', 'c HttpOnly=off SameSite=Strict',
        'c Max-Age=400d', 'c "Path=/' . 'p' x 1000 . '"');
    my $at = start_httpd(redis => $redis, conf => "DRSession On\n" . join '',
        map { "<Location /c$_>\n    SetHandler drstest\n    DRSessionCookie "
            . "$cookie[$_]\n</Location>\n" } 0 .. $#cookie);
    for my $n (0 .. $#cookie) {
        my $name = substr "DRSessionCookie $cookie[$n]", 0, 50;
        my $jar = jar();
        for my $lines ('set a 1', 'regenerate', 'destroy') {
            my $r = $at->request('POST', "/c$n", jar => $jar, body => "$lines\n");
            my @lines = headers($r, 'Set-Cookie');
            is scalar(@lines), 1, "$name: $lines sends one";
            like $lines[0], $grammar, 'of the grammar';
            cmp_ok length($lines[0]), '<=', 4096, 'that browsers will read';
        }
    }
    error_log_is_clean($at);
    $at->stop;
};

subtest 'hostile_values_of_directives_are_refused' => sub {
    my @cookie = map { "DRSessionCookie $_" } '"a b"', 'a;b', 'a=b', '"a\nb"',
        "\"a\x01\"", "\"a\xC3\xA4\"", '""', 'a "Path=/;Domain=evil"',
        'a "Path=/, b=c"', "a \"Path=/\x7f\"", 'a Path=x', 'a "Domain=a;b"',
        'a "Domain=a b"', 'a Domain=', 'a SameSite=Lax;Secure', 'a SameSite=no',
        'a Max-Age=-1', 'a Max-Age=1e9', 'a Max-Age=401d', 'a Max-Age=0',
        'a Max-Age=500ms', 'a HttpOnly', 'a SameSite=None', 'a Partitioned',
        '__Host-a Path=/x', '__host-a Domain=b', '__HOST-a Secure=off',
        '__secure-a Secure=off', 'a "Path=/' . 'p' x 1100 . '"';
    my @other = ('DRSessionPrefix "a b"', "DRSessionPrefix \"a\x01\"",
        'DRSessionPrefix ""', 'DRSessionPrefix ' . 'p' x 256,
        'DRSessionEnv HTTP', 'DRSessionEnv http', 'DRSessionEnv HTTP_X',
        'DRSessionEnv "A B"', 'DRSessionEnv A=B', 'DRSessionEnv 1A',
        'DRSessionExport user=HTTP_USER', 'DRSessionExport status',
        'DRSessionExport key', 'DRSessionExport Url', 'DRSessionExport a A',
        'DRSessionExport a.b', 'DRSessionExport "a=A B"',
        'DRSessionForward user Host', 'DRSessionForward user "X: evil"',
        "DRSessionForward user \"X\x0d\"", 'DRSessionForward user Cookie',
        'DRSessionIdle -1', 'DRSessionIdle 1y', 'DRSessionIdle 99999999999999999',
        'DRSessionLimit value=257m', 'DRSessionLimit fields=2049',
        'DRSessionLimit value=-1', 'DRSessionPool max=0', 'DRSessionPool max=1x',
        'DRSessionTimeout command=0', 'DRSessionServer redis://h:0',
        'DRSessionServer "redis://h/0 FLUSHALL"', 'DRSessionServer unix://x',
        'DRSessionServer redis://h/x', 'DRSessionAllow', 'DRSessionAllow read',
        'DRSessionAllow delete x', 'DRSession on;', 'DRSessionCodec exec');
    my $refused = 0;
    for my $line (@cookie, @other) {
        my ($code, $out) = $httpd->conftest("$line\n");
        $refused++, next if $code != 0 && $out =~ /DRSession/;
        fail substr $line, 0, 60;
    }
    is $refused, @cookie + @other, "$refused values";
};

subtest 'without_random_bytes_there_is_no_session' => sub {
    plan skip_all => 'something is preloaded already' if $ENV{DRS_PRELOAD};
    open my $out, '>', "$scratch/dry.c" or die $!;
    print {$out} <<"C";
#include <errno.h>
#include <sys/random.h>
#include <sys/syscall.h>
#include <unistd.h>
ssize_t getrandom(void *bytes, size_t len, unsigned int flags)
{
    if (access("$scratch/dry", F_OK) != 0)
        return syscall(SYS_getrandom, bytes, len, flags);
    errno = ENOSYS;
    return -1;
}
C
    close $out;
    my $cc = $ENV{CC} // 'cc';
    is system("$cc -D_GNU_SOURCE -shared -fPIC -o $scratch/dry.so $scratch/dry.c"),
        0, 'a source of randomness that can run dry';
    local $ENV{DRS_PRELOAD} = "$scratch/dry.so";
    my $at = start_httpd(redis => $redis, conf => $conf, %files,
        modules => \@proxy);
    my $jar = jar();
    is $at->request('PUT', '/session/a', jar => $jar, body => 1)->{status}, 201,
        'a session, before it does';
    my ($keys, $id) = ($redis->cmd('DBSIZE'), $jar->id);
    open $out, '>', "$scratch/dry" or die $!;
    my $r = $at->request('PUT', '/session/a', body => 1);
    is $r->{status}, 503, 'then none is made: 503';
    is header($r, 'Set-Cookie'), undef, 'no id is sent';
    is $at->request('POST', '/session/?regenerate', jar => $jar)->{status}, 503,
        'nor is there a new id for an old session';
    is $jar->id, $id, 'which keeps its own';
    is $redis->cmd('DBSIZE'), $keys, 'no key was made';
    is $at->get('/session/a', jar => $jar)->{body}, '1', 'and lives on';
    unlink "$scratch/dry";
    is $at->request('PUT', '/session/a', body => 1)->{status}, 201,
        'with random bytes all is well';
    error_log_is_clean($at, qr{drsession:error\].*/session/});
    $at->stop;
};

subtest 'as_the_documented_user_nothing_else_can_be_done' => sub {
    $redis->cmd('FLUSHALL');
    $redis->cmd('ACL', 'SETUSER', 'least',
        map { s/^>\K.*/least-of-all/r } DRS::Redis::least_acl());
    my $as = DRS::Redis->new(start => 0, user => 'least', pass => 'least-of-all');
    $as->{dir} = $redis->dir;
    my $own = 'drsession:x';
    $redis->cmd('HSET', $own, 'a', 1);
    my @forbidden = ('ACL LIST', 'ACL WHOAMI', "APPEND $own x", 'AUTH x y',
        'BGREWRITEAOF', 'BGSAVE', 'CLIENT LIST', 'CLIENT KILL TYPE normal',
        'CLUSTER INFO', 'COMMAND', 'CONFIG GET *', 'CONFIG SET dir /tmp',
        "COPY $own drsession:y", 'DBSIZE', "DEL $own",
        "DUMP $own", "EXPIRE $own 1", 'FLUSHALL', 'FLUSHDB',
        'FUNCTION LIST', "GET $own", "GETDEL $own", "HSCAN $own 0",
        "HINCRBYFLOAT $own a 1", "HRANDFIELD $own", "HSTRLEN $own a",
        "HVALS $own", 'INFO', 'KEYS *', 'LASTSAVE', 'LATENCY DOCTOR',
        'MEMORY STATS', "MIGRATE h 1 $own 0 1", 'MODULE LIST', 'MONITOR',
        "MOVE $own 1", "OBJECT ENCODING $own", "PERSIST $own", 'PING',
        "PFADD $own a", 'PUBLISH x y', 'RANDOMKEY', 'REPLICAOF NO ONE',
        "RESTORE $own 0 x", 'ROLE', 'SAVE', 'SCAN 0', 'SCRIPT FLUSH',
        'SCRIPT LOAD x', 'SELECT 1', "SET $own x", 'SHUTDOWN', 'SLOWLOG GET',
        "SORT $own", 'SUBSCRIBE x', 'SWAPDB 0 1', 'SYNC', 'TIME', "TYPE $own",
        "WATCH $own",
        'HGET other a', 'HSET other a 1', 'HGETALL drsessio', 'EXISTS *',
        "RENAME $own other", "RENAME other $own", 'UNLINK other');
    my @allowed;
    for my $line (@forbidden) {
        my $said = eval { $as->cmd(split ' ', $line); 'done' } // $@;
        push @allowed, "$line: $said" if $said !~ /^(?:NOPERM|WRONGPASS) /;
    }
    is "@allowed", '', scalar(@forbidden) . ' commands are refused';
    for my $call ("'GET', '$own'", "'HSET', 'other', 'a', 1", "'FLUSHALL'",
        "'KEYS', '*'", "'PUBLISH', 'x', 'y'") {
        ok !eval { $as->cmd('EVAL', "return redis.call($call)", 0); 1 },
            "nor can a script do $call";
    }
    is $redis->cmd('HGET', $own, 'a'), 1, 'all is as it was';
};

error_log_is_clean($httpd, qr/drsession:error\]/, qr/AH00128|AH0127\d/,
    qr/AH02811/);
done_testing;
