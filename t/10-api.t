#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# Every call of the C API, through a guest module that speaks it: what it
# answers, what Redis holds afterwards, what it costs.
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
<Location /off>
    SetHandler drstest
    DRSession Off
</Location>
<Location /ro>
    SetHandler drstest
    DRSession ReadOnly
</Location>
<Location /small>
    SetHandler drstest
    DRSessionLimit value=100 fields=5
</Location>
<Location /raw>
    SetHandler drstest
    DRSessionCodec raw
</Location>
<Location /rot>
    SetHandler drstest
    DRSessionCodec rot
</Location>
<Location /broken>
    SetHandler drstest
    DRSessionCodec broken
</Location>
CONF

my $jar = jar();
sub drs { return $httpd->drs({ jar => $jar }, @_) }
sub at  { my $path = shift; $httpd->drs({ jar => $jar, path => $path }, @_) }
sub key { return 'drsession:' . $jar->id }
sub held { return $redis->cmd('HGET', key(), $_[0]) }

subtest 'without_a_session_reads_have_answers_and_cost_nothing' => sub {
    my $none = jar();
    $httpd->drs({ jar => $none }, 'id');
    my @answers;
    my $cost = $redis->count_commands(sub {
        @answers = $httpd->drs({ jar => $none }, 'id', 'key', 'is_bound',
            'get a', 'get_string a', 'get_int a', 'get_many a b c', 'has a',
            'del a', 'pop a', 'count', 'keys', 'all', 'regenerate',
            'destroy', 'hex-get a', 'error');
    });
    is $cost, 0, 'Redis was not asked';
    is_deeply \@answers, ['notfound', 'notfound', 'ok 0', ('notfound') x 3,
        "ok (nil)\t(nil)\t(nil)", ('notfound') x 3, 'ok 0', 'ok ', 'ok {}',
        'notfound', 'ok', 'notfound', 'ok '], 'each call has its answer';
    is $none->id, undef, 'no cookie was sent';
    is $redis->cmd('DBSIZE'), 0, 'there is no key';
};

subtest 'a_call_without_a_name_or_json_is_refused_before_redis' => sub {
    my $none = jar();
    my @answers;
    my $cost = $redis->count_commands(sub {
        @answers = $httpd->drs({ jar => $none }, 'get ', 'set  1',
            'set a {', 'incr  1', 'set_many a {', 'get ' . 'x' x 256,
            'get %FF', 'set %C0%80 1', 'add a [1,]', 'set_string a %FF');
    });
    is_deeply \@answers, [('value') x 10], 'refused';
    is $cost, 0, 'Redis was not asked';
    is $none->id, undef, 'no session was born of it';
};

subtest 'the_first_write_makes_a_session' => sub {
    my $response = $httpd->request('POST', '/drs', jar => $jar,
        body => "is_bound\nset a 1\nis_bound\nid\nkey\n");
    my ($before, $set, $after, $id, $key) = split /\n/, $response->{body};
    is $set, 'ok', 'written';
    is "$before $after", 'ok 0 ok 1', 'bound by it';
    is $id, 'ok ' . $jar->id, 'the cookie is the id';
    like $jar->id, qr/\A[A-Za-z0-9_-]{44}\z/, '44 characters of base64url';
    is $key, 'ok ' . key(), 'the key is the prefix and the id';
    is scalar(my @lines = headers($response, 'Set-Cookie')), 1,
        'one Set-Cookie line';
    is_deeply $redis->cmd('HGETALL', key()), ['a', '1'], 'as Redis has it';
    my $ttl = $redis->cmd('PTTL', key());
    ok $ttl > 3_590_000 && $ttl <= 3_600_000, 'the key expires in an hour';
};

subtest 'any_json_goes_in_and_comes_out_byte_for_byte' => sub {
    my $i = 0;
    for my $json ('null', 'true', 'false', '0', '-0', '1.50', '1e2',
        '123456789012345678901234567890', '""', '"a b"', '"\u0000"',
        '"\ud83d\ude00"', qq{"\xC3\xA4\xE2\x82\xAC\xF0\x9F\x98\x80"}, '[]',
        '{}', '{"b":1,  "a":[1, 2,{"c":null}]}', '{"a":1,"a":2}',
        '[' x 128 . ']' x 128, '"\/"', '"\ud800"') {
        my $name = 'j' . $i++;
        my @answer = drs("set $name " . pct($json), "get $name");
        is_deeply \@answer, ['ok', "ok $json"],
            length $json > 40 ? '128 levels' : "JSON $json";
        is held($name), $json, 'stored as given';
    }
    is_deeply [drs('set w ' . pct(" \t\r\n [1, 2] \n"), 'get w')],
        ['ok', 'ok [1, 2]'], 'outer white space is cut';
};

subtest 'what_is_no_json_is_refused' => sub {
    drs('set keep 1');
    for my $json ('', ' ', '{', '[1,]', '{"a":}', "{'a':1}", 'nul', 'NaN',
        'Infinity', '-Infinity', '01', '+1', '.5', '1.', '1e400', '1 2',
        '"a', qq("a\nb"), qq("\x00"), qq("\xFF"), qq("\xC0\x80"),
        qq("\xED\xA0\x80"), '"\x41"', '[' x 129 . ']' x 129,
        "\xEF\xBB\xBF1", '// c', '1//c', 'tru', '[1}', '"' . "\x01" . '"') {
        my $shown = substr pct($json), 0, 30;
        is drs('set keep ' . pct($json)), 'value', "'$shown'";
    }
    is held('keep'), '1', 'what was there is there';
    is drs('set keep {'), 'value';
    like drs('set keep {', 'error'), qr/\Aok .+\z/, 'and it says why';
    unlike drs('set keep [secretword', 'error'), qr/secretword/,
        'without the value';
};

subtest 'typed_helpers' => sub {
    my $text = qq{a "q" \\ / \x01\t\n\xC3\xA4};
    is drs('set_string s ' . pct($text)), 'ok';
    is decode_json('[' . held('s') . ']')->[0], do {
        my $t = $text; utf8::decode($t); $t }, 'a JSON string';
    is drs('get_string s'), "ok $text", 'and back';
    is drs('set_string e ', 'get_string e'), 'ok ', 'the empty one';
    is held('e'), '""';
    for my $n ('0', '-1', '9223372036854775807', '-9223372036854775808') {
        is_deeply [drs("set_int n $n", 'get_int n')], ['ok', "ok $n"],
            "the integer $n";
        is held('n'), $n, 'plain digits';
    }
    $redis->cmd('HSET', key(), 'big', '9223372036854775808', 'f', '1.5',
        'str', '"5"', 'nul', '"a\u0000b"', 'obj', '{}', 'bad', '{oops');
    is drs("get_int $_"), 'value', "get_int of $_" for qw(big f str obj bad);
    is drs("get_string $_"), 'value', "get_string of $_"
        for qw(f nul obj bad big);
    is drs('get bad'), 'ok {oops', 'what Redis holds is passed on as it is';
    is drs('get_string none'), 'notfound';
    is drs('get_int none'), 'notfound';
    $redis->cmd('HDEL', key(), 'bad');
};

subtest 'names_may_be_any_utf8_of_1_to_255_bytes' => sub {
    for my $name ('a b', "\xC3\xA4", "\xF0\x9F\x98\x80", 'x' x 255, '*',
        'a"b\\', "a\nb", '__proto__', '0', 'a:b/c') {
        my $shown = substr pct($name), 0, 20;
        is_deeply [drs('set ' . pct($name) . ' 7', 'get ' . pct($name),
                       'has ' . pct($name), 'del ' . pct($name))],
            ['ok', 'ok 7', 'ok', 'ok'], $shown;
    }
    for my $name ('', 'x' x 256, "\xFF", "\xC0\xAF", "\xED\xA0\x80", "a\xC3") {
        my ($p, $shown) = (pct($name), substr pct($name), 0, 20);
        is_deeply [drs("get $p", "set $p 1", "has $p", "del $p", "pop $p",
                       "incr $p 1", "add $p 1", "get_many $p",
                       "set_many $p 1", "set_int $p 1", "set_string $p x")],
            [('value') x 7, $name eq '' ? 'ok ' : 'value', ('value') x 3],
            "'$shown' is refused";
    }
};

subtest 'limits' => sub {
    my $full = '"' . 'x' x (1024 * 1024 - 2) . '"';
    is drs("set big $full"), 'ok', 'one MiB';
    is drs('get big'), "ok $full", 'comes back';
    is drs('set big ' . '"' . 'x' x (1024 * 1024 - 1) . '"'), 'value',
        'one byte more does not';
    is length held('big'), 1024 * 1024, 'what was there is there';
    is drs('del big'), 'ok';
    my $small = jar();
    my $run = sub {
        $httpd->drs({ jar => $small, path => '/small' }, @_);
    };
    is $run->('set a ' . '"' . 'x' x 98 . '"'), 'ok', 'value= at the limit';
    is $run->('set a ' . '"' . 'x' x 99 . '"'), 'value', 'value= over it';
    is $run->('set_string a ' . 'x' x 99), 'value', 'counted as stored';
    is $run->("set_many b 1\tc 2\td 3\te 4"), 'ok', 'fields= at the limit';
    is $run->('set f 5'), 'value', 'fields= over it';
    is $run->('incr g 1'), 'value', 'by a counter';
    is $run->('add h 1'), 'value', 'by add';
    is $run->("set_many a 9\ti 1"), 'value', 'by many: all or none';
    is $run->('set a 10', 'get a'), 'ok 10', 'an old field may change';
    is $redis->cmd('HLEN', 'drsession:' . $small->id), 5, 'five fields';
};

subtest 'many_at_once' => sub {
    drs("set_many a 1\tb [2, 3]\tc \"x\"");
    my ($answer, $cost);
    drs('get a');
    $cost = $redis->count_reads(sub { $answer = drs('get_many a zz c b a') });
    is $answer, "ok 1\t(nil)\t\"x\"\t[2, 3]\t1", 'get_many in order';
    is $cost, 1, 'in one round trip';
    is drs('get_many'), 'ok ', 'of nothing';
    is drs('set_many'), 'ok', 'nothing at all';
    $cost = $redis->count_commands(sub { drs('get_many', 'set_many') });
    is $cost, 0, 'costs nothing';
    $cost = $redis->count_reads(sub {
        is drs("set_many a 5\tb\tnever\td {\"e\":1}"), 'ok', 'set_many';
    });
    is $cost, 1, 'in one round trip';
    is drs('get_many a b c d'), "ok 5\t(nil)\t\"x\"\t{\"e\":1}",
        'sets and deletes';
    is drs("set_many a 6\tb {oops\tc 7"), 'value', 'one bad value';
    is drs('get_many a b c'), "ok 5\t(nil)\t\"x\"", 'changes nothing';
    is drs("set_many t 1\tt 2", 'get t'), 'ok 2', 'the last one counts';
    is drs("set_many u 1\tu", 'get u'), 'notfound', 'also as a deletion';
};

subtest 'add_writes_once' => sub {
    is_deeply [drs('add once 1', 'add once 2', 'get once')],
        ['ok', 'exists', 'ok 1'];
    is drs('add once {'), 'value', 'JSON is checked all the same';
    my $new = jar();
    is $httpd->drs({ jar => $new }, 'add x 1'), 'ok', 'as a first write';
    is $redis->cmd('HGET', 'drsession:' . $new->id, 'x'), '1';
};

subtest 'incr_counts_in_redis' => sub {
    is_deeply [drs('del n', 'incr n 1', 'incr n 41', 'incr n -50', 'get n')],
        ['ok', 'ok 1', 'ok 42', 'ok -8', 'ok -8'];
    is drs('set_int n 9223372036854775807', 'incr n 1'), 'value', 'overflow';
    is held('n'), '9223372036854775807', 'leaves it';
    is drs('set_int n -9223372036854775808', 'incr n -1'), 'value',
        'underflow';
    is drs('incr n 9223372036854775807'), 'ok -1', 'the whole range';
    for my $json ('"5"', '1.5', '[]', 'null') {
        is drs('set m ' . pct($json), 'incr m 1'), 'value', "of $json";
        is held('m'), $json, 'leaves it';
    }
    my $new = jar();
    is $httpd->drs({ jar => $new }, 'incr c 3'), 'ok 3', 'as a first write';
    is $redis->cmd('HGET', 'drsession:' . $new->id, 'c'), '3';
};

subtest 'has_del_pop_count_keys_all' => sub {
    my $new = jar();
    my $run = sub { $httpd->drs({ jar => $new }, @_) };
    $run->("set_many b 2\ta [1, 2]\t" . pct("\xC3\xA4") . ' 3');
    is_deeply [$run->('has a', 'has z', 'count')],
        ['ok', 'notfound', 'ok 3'];
    is $run->('keys'), "ok a\tb\t\xC3\xA4", 'keys';
    my $all = ($run->('all') =~ s/^ok //r);
    is_deeply decode_json($all), { a => [1, 2], b => 2, "\x{e4}" => 3 },
        'all is one object';
    like $all, qr/\[1, 2\]/, 'with the values as they are';
    is_deeply [$run->('pop a', 'pop a', 'has a')],
        ['ok [1, 2]', 'notfound', 'notfound'], 'pop';
    is_deeply [$run->('del b', 'del b')], ['ok', 'notfound'], 'del';
    my $old = $new->id;
    is $run->('del ' . pct("\xC3\xA4")), 'ok', 'the last field';
    is $redis->cmd('EXISTS', "drsession:$old"), 0, 'takes the key with it';
    is $run->('get a'), 'notfound';
    is $run->('set a 1'), 'ok', 'the next write';
    isnt $new->id, $old, 'makes another session';
};

subtest 'regenerate_changes_the_id' => sub {
    my $old = $jar->id;
    my @fields = sort @{ $redis->cmd('HKEYS', key()) };
    my @answer = drs('regenerate', 'id');
    is $answer[0], 'ok';
    isnt $jar->id, $old, 'a new cookie';
    is $answer[1], 'ok ' . $jar->id, 'which is the id';
    is $redis->cmd('EXISTS', "drsession:$old"), 0, 'the old one is dead';
    is_deeply [sort @{ $redis->cmd('HKEYS', key()) }], \@fields,
        'nothing was lost';
    cmp_ok $redis->cmd('PTTL', key()), '>', 3_500_000, 'it still expires';
    my $gone = jar(drsession => $old);
    my ($rv) = $httpd->drs({ jar => $gone }, 'regenerate');
    is $rv, 'gone', 'an id that is dead cannot be';
};

subtest 'destroy_ends_it' => sub {
    my $new = jar();
    $httpd->drs({ jar => $new }, 'set a 1');
    my $old = $new->id;
    my $response = $httpd->request('POST', '/drs', jar => $new,
        body => "destroy\nis_bound\nget a\ndestroy\n");
    is $response->{body}, "ok\nok 0\nnotfound\nok\n", 'as new';
    is $new->id, undef, 'the cookie is expired';
    is $redis->cmd('EXISTS', "drsession:$old"), 0, 'and the key is gone';
    $httpd->drs({ jar => $new }, 'set a 1');
    my $before = $new->id;
    $response = $httpd->request('POST', '/drs', jar => $new,
        body => "destroy\nset b 2\nall\n");
    like $response->{body}, qr/\nok \{"b":2\}\n\z/, 'then a new one';
    isnt $new->id, $before, 'with a new id';
    is scalar(my @lines = headers($response, 'Set-Cookie')), 1,
        'and one Set-Cookie line';
};

subtest 'off_and_readonly' => sub {
    is_deeply [at('/off', 'open', 'get a')], ['off', 'off'], 'Off';
    drs('set a 1');
    is_deeply [at('/ro', 'get a', 'has a', 'count')]->[0], 'ok 1',
        'ReadOnly reads';
    is_deeply [at('/ro', 'set a 2', 'set_string a x', 'set_int a 1',
                  'set_many a 1', 'add b 1', 'incr n 1', 'del a', 'pop a',
                  'destroy', 'regenerate')],
        [('readonly') x 10], 'and writes nothing';
    is held('a'), '1';
};

subtest 'a_new_session_after_the_headers_is_refused' => sub {
    my $new = jar();
    is_deeply [$httpd->drs({ jar => $new }, 'flush', 'set a 1', 'incr a 1')],
        ['ok', 'sent', 'sent'];
    is $new->id, undef;
    is_deeply [drs('flush', 'set a 5', 'get a')], ['ok', 'ok', 'ok 5'],
        'an old one goes on';
    is drs('flush', 'regenerate'), 'sent', 'but keeps its id';
};

subtest 'codecs' => sub {
    $jar = jar();
    my $bytes = join '', map { chr } 0 .. 255;
    my $hex = unpack 'H*', $bytes;
    is_deeply [at('/raw', "sethex r $hex", 'hex-get r')],
        ['ok', "ok $hex"], 'raw takes any byte';
    is held('r'), $bytes, 'as it is';
    is at('/raw', 'sethex empty ', 'hex-get empty'), 'ok ', 'and none';
    is at('/raw', 'del r', 'del empty', 'incr k 2'), 'ok 2', 'raw counts';
    at('/rot', 'set x {"a":1}');
    is held('x'), join('', map { sprintf '%02x', ord($_) ^ 0x5a }
        split //, '{"a":1}'), 'rot is what Redis holds';
    is at('/rot', 'get x'), 'ok {"a":1}', 'and JSON comes back';
    is at('/rot', "set_many y 1\tz \"q\"", 'get_many x y z'),
        qq(ok {"a":1}\t1\t"q"), 'many';
    is at('/rot', 'set_string s hi', 'get_string s'), 'ok hi', 'typed';
    is at('/rot', 'set x {'), 'value', 'JSON is checked before';
    is at('/rot', 'incr i 1'), 'value', 'no counting without plain digits';
    is at('/rot', 'pop y'), 'ok 1', 'pop';
    $redis->cmd('HSET', key(), 'x', 'zz');
    is at('/rot', 'get x'), 'reply', 'what it cannot load';
    is at('/rot', 'all'), 'reply', 'in all';
    is at('/broken', 'set a 1'), 'value', 'a codec that fails to dump';
    like at('/broken', 'set a 1', 'error'), qr/broken: cannot do it/, 'why';
    is at('/broken', 'get s'), 'reply', 'a codec that fails to load';
    is at('/broken', 'has s'), 'ok', 'names need no codec';
};

subtest 'one_round_trip_each' => sub {
    my $new = jar();
    my @prime = ('set a 1', 'get a', 'incr n 1', 'pop a', 'add a 1', 'has a',
        'count', 'keys', 'all', "set_many b 1\tc", 'del b', 'get_many a n',
        'regenerate');
    $httpd->drs({ jar => $new }, $_) for @prime, @prime;
    for my $line ('get n', 'get_many a n', 'set a 2', 'incr n 1', 'has a',
        'count', 'keys', 'all', 'add q 1', 'add q 1', 'del q',
        "set_many a 1\tz", 'pop a', 'regenerate', 'destroy') {
        # Each child has connections of its own; the best of some is it.
        my $best = 99;
        for (1 .. 4) {
            my $n = $redis->count_reads(sub {
                $httpd->drs({ jar => $new }, $line);
            });
            $best = $n if $n < $best;
            last if $best == 1 || $line eq 'destroy';
        }
        is $best, 1, $line =~ s/\t/ /gr;
    }
};

error_log_is_clean($httpd);
done_testing;
