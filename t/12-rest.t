#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# The handler "drsession": every method, query, status and error body, who
# may do what, and which browsers are believed.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/lib";
use DRS;
use JSON::PP;
use Test::More;

needs();
my $redis = start_redis();
my $httpd = start_httpd(redis => $redis, conf => <<'CONF');
DRSession On
DRSessionIdle 1h
<Location /session>
    SetHandler drsession
    DRSessionAllow read *
    DRSessionAllow write *
</Location>
<Location /deep/er/base>
    SetHandler drsession
    DRSessionAllow read *
    DRSessionAllow write *
</Location>
<Location /slash/>
    SetHandler drsession
    DRSessionAllow read *
    DRSessionAllow write *
</Location>
<Location /none>
    SetHandler drsession
</Location>
<Location /some>
    SetHandler drsession
    DRSessionAllow read seen both
    DRSessionAllow write both put
    DRSessionAllow write more
</Location>
<Location /end>
    SetHandler drsession
    DRSessionAllow end
</Location>
<Location /small>
    SetHandler drsession
    DRSessionAllow read *
    DRSessionAllow write *
    DRSessionLimit value=100 fields=3
</Location>
<Location /ro>
    SetHandler drsession
    DRSession ReadOnly
    DRSessionAllow read *
    DRSessionAllow write *
</Location>
<Location /off>
    SetHandler drsession
    DRSession Off
    DRSessionAllow read *
</Location>
CONF

my $jar = jar();

sub rest {
    my ($method, $path, $body, @headers) = @_;
    return $httpd->request($method, $path, jar => $jar, body => $body,
                           headers => \@headers);
}

# Status, body and name of one exchange.
sub says {
    my ($method, $path, $body, $status, $text) = @_;
    my $r = rest($method, $path, $body);
    my $name = "$method $path" . (defined $body ? " < $body" : '');
    $name = substr $name, 0, 60;
    is $r->{status}, $status, "$name is $status";
    is $r->{body}, $text, "$name says so" if defined $text;
    return $r;
}

sub fails {
    my ($r, $status, $word, $name) = @_;
    is $r->{status}, $status, "$name is $status";
    like header($r, 'Content-Type') // '', qr{\Aapplication/json\b},
        'its body is JSON';
    my $error = eval { decode_json($r->{body}) } // {};
    is $error->{error}, $word, "with the word $word";
    ok length($error->{detail} // ''), 'and a detail';
    is join(',', sort keys %$error), 'detail,error', 'and nothing else';
    return $error;
}

subtest 'without_a_session' => sub {
    says('GET', '/session/', undef, 200, '{}');
    fails(rest('GET', '/session/x'), 404, 'notfound', 'GET of a field');
    says('HEAD', '/session/x', undef, 404);
    fails(rest('DELETE', '/session/x'), 404, 'notfound', 'DELETE of a field');
    fails(rest('POST', '/session/x?pop'), 404, 'notfound', 'pop');
    fails(rest('POST', '/session/?regenerate'), 404, 'notfound', 'regenerate');
    says('DELETE', '/session/', undef, 204, '');
    is $redis->cmd('DBSIZE'), 0, 'no key was made';
    is $jar->id, undef, 'no cookie was sent';
};

subtest 'the_table' => sub {
    says('PUT', '/session/f', '{"a": 1}', 201);
    ok defined $jar->id, 'a session is born';
    my $r = says('GET', '/session/f', undef, 200, '{"a": 1}');
    like header($r, 'Content-Type'), qr{\Aapplication/json\b}, 'JSON';
    like header($r, 'X-Content-Type-Options') // 'nosniff', qr/nosniff/,
        'never sniffed';
    $r = says('HEAD', '/session/f', undef, 200, '');
    says('PUT', '/session/f', ' [1] ', 204, '');
    says('GET', '/session/f', undef, 200, '[1]');
    fails(rest('PUT', '/session/f?add', '2'), 409, 'exists', 'PUT ?add');
    says('PUT', '/session/g?add', '2', 201);
    says('PATCH', '/session/', '{"g":null,"h":{"x":1},"i":"s"}', 204, '');
    is_deeply decode_json(rest('GET', '/session/')->{body}),
        { f => [1], h => { x => 1 }, i => 's' }, 'PATCH merged';
    says('PATCH', '/session/', '{}', 204, '');
    says('POST', '/session/n?incr=5', undef, 200, '5');
    says('POST', '/session/n?incr=-7', undef, 200, '-2');
    says('POST', '/session/h?pop', undef, 200, '{"x":1}');
    fails(rest('POST', '/session/h?pop'), 404, 'notfound', 'pop again');
    says('DELETE', '/session/i', undef, 204, '');
    fails(rest('DELETE', '/session/i'), 404, 'notfound', 'DELETE again');
    my $old = $jar->id;
    says('POST', '/session/?regenerate', undef, 204, '');
    isnt $jar->id, $old, 'regenerate changes the id';
    is $redis->cmd('EXISTS', "drsession:$old"), 0, 'the old one is dead';
    says('DELETE', '/session/', undef, 204, '');
    is $jar->id, undef, 'the cookie is expired';
    is $redis->cmd('DBSIZE'), 0, 'the key is gone';
};

subtest 'names_are_percent_decoded_once' => sub {
    for my $name ('a b', "\xC3\xA4", 'a/b', '100%', '%41', 'a?b', 'a+b',
        'x' x 255, "q\"\\", '..a', ';') {
        my $path = '/session/' . join '/', map { pct($_) } split m{/}, $name, -1;
        says('PUT', $path, '1', 201);
        is $redis->cmd('HGET', 'drsession:' . $jar->id, $name), '1',
            'as ' . pct($name);
        says('DELETE', $path, undef, 204);
    }
    like rest('PUT', '/session/' . 'x' x 256, '1')->{status},
        qr/\A(?:400|413)\z/, 'too long';
    fails(rest('GET', '/session/%FF'), 400, 'value', 'no UTF-8');
    fails(rest('PUT', '/session/%C0%AF', '1'), 400, 'value', 'overlong');
};

subtest 'bad_requests' => sub {
    says('PUT', '/session/n', '5', 201);
    for my $body ('', '{', 'nul', '1 2', '"a', "\xFF", 'NaN') {
        fails(rest('PUT', '/session/n', $body), 400, 'value',
            "PUT < '" . pct($body) . "'");
    }
    for my $body ('', '[]', '1', 'null', '"x"', '{"a":}', '{"a":1}x',
        '{"":1}') {
        fails(rest('PATCH', '/session/', $body), 400, 'value',
            "PATCH < '$body'");
    }
    for my $query ('incr=', 'incr', 'incr=x', 'incr=1.5', 'incr=0x10',
        'incr=99999999999999999999', 'incr=1&incr=2', 'pop&incr=1', 'nope',
        'incr=%31x', 'pop=1x') {
        my $r = rest('POST', "/session/n?$query");
        is $r->{status}, 400, "POST /n?$query is 400";
    }
    for (['GET', '/session/n?x'], ['PUT', '/session/n?x', '1'],
         ['DELETE', '/session/n?x'], ['PATCH', '/session/?x', '{}'],
         ['POST', '/session/n'], ['POST', '/session/?pop'],
         ['POST', '/session/n?regenerate'], ['PUT', '/session/n?incr=1', '1'],
         ['DELETE', '/session/?regenerate']) {
        my $r = rest(@$_);
        ok $r->{status} == 400 || $r->{status} == 405,
            "$_->[0] $_->[1] is 400 or 405" or diag $r->{status};
    }
    for (['PATCH', '/session/n', '1'], ['PUT', '/session/', '{}'],
         ['MKCOL', '/session/n'], ['PROPFIND', '/session/'],
         ['LOCK', '/session/n']) {
        my $r = rest(@$_);
        is $r->{status}, 405, "$_->[0] $_->[1] is 405";
        ok length(header($r, 'Allow') // ''), 'and says what is allowed';
    }
    is rest('GET', '/session/n')->{body}, '5', 'nothing was changed';
    $redis->cmd('HSET', 'drsession:' . $jar->id, 's', '"x"');
    fails(rest('POST', '/session/s?incr=1'), 400, 'value', 'incr of a string');
    says('PUT', '/session/m', '9223372036854775807', 201);
    fails(rest('POST', '/session/m?incr=1'), 400, 'value', 'overflow');
};

subtest 'limits_are_413' => sub {
    fails(rest('PUT', '/small/v', '"' . 'x' x 99 . '"'), 413, 'value',
        'a long value');
    fails(rest('PATCH', '/small/', '{"v":"' . 'x' x 99 . '"}'), 413, 'value',
        'inside PATCH');
    my $own = jar();
    my $put = sub {
        $httpd->request('PUT', "/small/$_[0]", jar => $own, body => '1');
    };
    is $put->($_)->{status}, 201, "field $_" for 1 .. 3;
    fails($put->(4), 413, 'value', 'one field more');
    is $put->(3)->{status}, 204, 'an old one may change';
    fails(rest('PUT', '/session/v', '"' . 'x' x (1024 * 1024) . '"'), 413,
        'value', 'over one MiB');
    my $r = $httpd->request('PUT', '/session/c', jar => $jar, body =>
        "3\r\n[1,\r\n2\r\n2]\r\n0\r\n\r\n",
        headers => [['Transfer-Encoding', 'chunked']]);
    is $r->{status}, 201, 'a chunked body';
    is rest('GET', '/session/c')->{body}, '[1,2]', 'is put together';
};

subtest 'the_base_is_the_path_of_the_location' => sub {
    my $own = $jar;
    for my $base ('/session', '/deep/er/base', '/slash') {
        says('PUT', "$base/where", "\"$base\"", 201);
        says('GET', "$base/where", undef, 200, "\"$base\"");
        is decode_json(rest('GET', "$base/")->{body})->{where}, $base,
            "GET $base/";
        says('DELETE', "$base/where", undef, 204);
    }
    is rest('GET', '/session')->{status}, 200, 'without the slash too';
};

subtest 'nothing_is_allowed_unless_said' => sub {
    says('PATCH', '/session/', '{"seen":1,"both":2,"put":3,"hid":4}', 204);
    for (['GET', '/none/seen'], ['HEAD', '/none/seen'], ['PUT', '/none/x', 1],
         ['PUT', '/none/x?add', 1], ['PATCH', '/none/', '{"x":1}'],
         ['POST', '/none/x?incr=1'], ['POST', '/none/seen?pop'],
         ['DELETE', '/none/seen'], ['DELETE', '/none/'],
         ['POST', '/none/?regenerate'], ['GET', '/some/put'],
         ['GET', '/some/hid'], ['PUT', '/some/seen', 1],
         ['PATCH', '/some/', '{"both":1,"seen":1}'], ['DELETE', '/some/seen'],
         ['POST', '/some/put?pop'], ['POST', '/some/hid?incr=1'],
         ['DELETE', '/some/'], ['POST', '/some/?regenerate'],
         ['GET', '/end/seen'], ['PUT', '/end/x', 1]) {
        my $r = rest(@$_);
        if ($_->[0] eq 'HEAD') {
            is $r->{status}, 403, 'HEAD is 403';
            next;
        }
        my $error = fails($r, 403, 'forbidden', "$_->[0] $_->[1]");
        like $error->{detail}, qr/DRSessionAllow/, 'naming the directive';
    }
    is_deeply decode_json(rest('GET', '/session/')->{body})->{hid}, 4,
        'nothing was changed';
    is_deeply decode_json(rest('GET', '/some/')->{body}),
        { seen => 1, both => 2 }, 'GET / shows the readable ones';
    says('PUT', '/some/both', '5', 204);
    says('PUT', '/some/more', '6', 201);
    says('PATCH', '/some/', '{"both":7,"put":null}', 204);
    says('POST', '/some/both?pop', undef, 200, '7');
    says('POST', '/end/?regenerate', undef, 204);
    says('DELETE', '/end/', undef, 204);
};

subtest 'unsafe_methods_of_a_browser_are_same_origin' => sub {
    says('PUT', '/session/n', '0', 201);
    my $own = $httpd->url('') =~ s{/\z}{}r;
    for (['Sec-Fetch-Site', 'same-origin', 1], ['Sec-Fetch-Site', 'none', 1],
         ['Sec-Fetch-Site', 'same-site', 0], ['Sec-Fetch-Site', 'x', 0],
         ['Sec-Fetch-Site', 'cross-site', 0], ['Origin', $own, 1],
         ['Origin', 'null', 0], ['Origin', 'http://evil.example', 0],
         ['Origin', $own =~ s/^http/https/r, 0],
         ['Origin', 'http://127.0.0.1', 0], ['Origin', "$own.evil.example", 0],
         ['Origin', "$own/", 0], ['Origin', '', 0]) {
        my ($name, $value, $fine) = @$_;
        for my $method ('PUT', 'POST', 'PATCH', 'DELETE') {
            my ($path, $body) = $method eq 'PUT' ? ('n', '1')
                : $method eq 'POST' ? ('n?incr=0', undef)
                : $method eq 'PATCH' ? ('', '{"n":1}') : ('zz', undef);
            my $r = rest($method, "/session/$path", $body, [$name, $value]);
            my $ok = $r->{status} != 403;
            is $ok ? 1 : 0, $fine, "$method with $name: $value";
            last if !$ok && $fine;
        }
        is rest('GET', '/session/n', undef, [$name, $value])->{status}, 200,
            'GET is safe';
    }
    fails(rest('PUT', '/session/n', '1', ['Sec-Fetch-Site', 'cross-site'],
        ['Origin', $own]), 403, 'forbidden', 'Sec-Fetch-Site comes first');
    is rest('PUT', '/session/n', '1', ['Sec-Fetch-Site', 'same-origin'],
        ['Origin', 'http://other.example'])->{status}, 204, 'both ways';
    my $r = rest('OPTIONS', '/session/n', undef,
        ['Origin', 'http://evil.example'],
        ['Access-Control-Request-Method', 'PUT']);
    ok !grep({ $_->[0] =~ /^Access-Control-/i } @{ $r->{headers} }),
        'there is no CORS';
};

subtest 'readonly_off_gone_and_wrong_type' => sub {
    says('GET', '/ro/n', undef, 200);
    for (['PUT', '/ro/n', 1], ['PATCH', '/ro/', '{"n":1}'],
         ['POST', '/ro/n?incr=1'], ['POST', '/ro/n?pop'],
         ['DELETE', '/ro/n'], ['DELETE', '/ro/'],
         ['POST', '/ro/?regenerate']) {
        fails(rest(@$_), 403, 'readonly', "$_->[0] $_->[1]");
    }
    my $r = rest('GET', '/off/n');
    cmp_ok $r->{status}, '>=', 400, 'Off serves nothing';
    my $dead = jar(drsession => 'z' x 44);
    fails($httpd->request('POST', '/session/?regenerate', jar => $dead), 410,
        'gone', 'regenerate of a dead session');
    my $id = $jar->id;
    $redis->cmd('DEL', "drsession:$id");
    $redis->cmd('SET', "drsession:$id", 'x');
    fails(rest('GET', '/session/n'), 500, 'reply', 'GET of a wrong type');
    fails(rest('PUT', '/session/n', '1'), 500, 'reply', 'PUT to it');
    is $redis->cmd('GET', "drsession:$id"), 'x', 'it is left alone';
    $redis->cmd('DEL', "drsession:$id");
};

subtest 'answers_are_not_for_shared_caches' => sub {
    my $own = jar();
    my $r = $httpd->request('PUT', '/session/a', jar => $own, body => '1');
    like header($r, 'Cache-Control'), qr/no-store/, 'with a Set-Cookie';
    $r = $httpd->request('GET', '/session/a', jar => $own);
    like header($r, 'Cache-Control'), qr/private/, 'private';
    like header($r, 'Cache-Control'), qr/no-cache/, 'no-cache';
    like header($r, 'Vary'), qr/\bCookie\b/, 'Vary';
    is header($r, 'Set-Cookie'), undef, 'reading sends no cookie';
};

error_log_is_clean($httpd, qr/drsession:\w+\].*WRONGTYPE/);
done_testing;
