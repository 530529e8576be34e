#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# How sessions begin and end: no client chooses an id, every key expires,
# nobody comes back from the dead, and the cookie says what was configured.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/lib";
use DRS;
use MIME::Base64 qw(encode_base64url decode_base64url);
use Test::More;
use Time::HiRes qw(sleep time);

needs();
my $redis = start_redis();
my $httpd = start_httpd(redis => $redis, docs => { 'page.txt' => 'static' },
    conf => <<'CONF');
DRSession On
DRSessionIdle 1h
<Location /notouch>
    SetHandler drstest
    DRSessionTouch Off
</Location>
<Location /never>
    SetHandler drstest
    DRSessionIdle 0
</Location>
<Location /max>
    SetHandler drstest
    DRSessionMaxLifetime 2h
</Location>
<Location /agemax>
    SetHandler drstest
    DRSessionIdle 0
    DRSessionMaxLifetime 2h
</Location>
<Location /loose>
    SetHandler drstest
    DRSessionStrict Off
</Location>
<Location /cookie>
    SetHandler drstest
    DRSessionCookie __Host-sid Path=/ SameSite=Strict Secure=on HttpOnly=on Max-Age=session
    DRSessionPrefix other:
</Location>
<Location /wide>
    SetHandler drstest
    DRSessionCookie wide Path=/wide Domain=example.com SameSite=None Secure=on HttpOnly=off Max-Age=1h Partitioned
</Location>
CONF

sub birth { return unpack 'Q>', "\0\0\0" . substr decode_base64url($_[0]), 0, 5 }
sub make_id {
    my ($born) = @_;
    return encode_base64url(substr(pack('Q>', $born), 3)
        . join '', map { chr int rand 256 } 1 .. 28);
}

subtest 'a_thousand_foreign_ids_make_no_key_of_their_own' => sub {
    my @made = parallel(2, sub {
        my ($k) = @_;
        my (%new, $bad);
        for my $n (1 .. 500) {
            my $id = join '', map { ('A' .. 'Z', 'a' .. 'z', 0 .. 9, '-',
                '_')[rand 64] } 1 .. 43 + $n % 2;
            my $jar = jar(drsession => $id);
            my $answer = $httpd->drs({ jar => $jar },
                ("set a 1", "incr a 1", "add a 1", "set_many a 1",
                 "set_string a x")[$n % 5]);
            $bad++ if $answer !~ /\Aok/ || $jar->id eq $id
                || $redis->cmd('EXISTS', "drsession:$id");
            $new{ $jar->id }++;
        }
        return { new => scalar(keys %new), bad => $bad // 0 };
    });
    is $made[0]{bad} + $made[1]{bad}, 0, 'each was answered by another id';
    is $made[0]{new} + $made[1]{new}, 1000, 'all different';
    is $redis->cmd('DBSIZE'), 1000, 'as many keys';
    my @keys = @{ $redis->cmd('KEYS', '*') };
    my @bad = grep { !/\Adrsession:[A-Za-z0-9_-]{44}\z/ } @keys;
    is "@bad", '', 'all with ids made here';
    is scalar(grep { $redis->cmd('PTTL', $_) <= 0 } @keys), 0,
        'every key expires';
    my $off = abs(birth(substr $keys[0], 10) - time);
    cmp_ok $off, '<', 120, 'an id begins with its birth';
    $redis->cmd('FLUSHALL');
};

subtest 'what_is_no_id_never_reaches_redis' => sub {
    my $cost = $redis->count_commands(sub {
        for my $id ('x', 'x' x 42, 'x' x 45, 'x' x 43 . '!', 'x' x 42 . '=',
            '"' . 'x' x 44 . '"', '%41' . 'x' x 41, '*' x 44,
            'x' x 20 . ' ' . 'x' x 23, '../' . 'x' x 41) {
            is $httpd->drs({ headers => { Cookie => "drsession=$id" } },
                'get a', 'all'), 'ok {}', $id;
        }
        my ($a, $b) = ('a' x 44, 'b' x 44);
        is $httpd->drs({ headers => {
            Cookie => "drsession=$a; drsession=$b" } }, 'is_bound'), 'ok 0',
            'two that differ';
        is $httpd->drs({ headers => {
            Cookie => "drsession=$a; x=y;\tdrsession=$a " } }, 'is_bound'),
            'ok 1', 'the same one twice';
        is $httpd->drs({ headers => { Cookie => "Drsession=$a" } },
            'is_bound'), 'ok 0', 'another name';
        is $httpd->drs({ headers => [['Cookie', "drsession=$a"],
            ['Cookie', 'b=c']] }, 'is_bound'), 'ok 0',
            'two lines, joined by a comma';
    });
    is $cost, 0, 'Redis was not asked';
};

subtest 'requests_without_a_session_leave_nothing' => sub {
    my $cost = $redis->count_commands(sub {
        my @status = parallel(2, sub {
            my $bad = 0;
            for (1 .. 5000) {
                my $r = $httpd->get($_ % 2 ? '/page.txt' : '/drs');
                $bad++ if $r->{status} != 200 || header($r, 'Set-Cookie');
            }
            return "$bad";
        });
        is "@status", '0 0', '10,000 requests';
    });
    is $cost, 0, 'Redis was not asked';
    is $redis->cmd('DBSIZE'), 0, 'no key';
};

subtest 'use_refreshes_the_expiry' => sub {
    my $jar = jar();
    $httpd->drs({ jar => $jar }, 'set a 1');
    my $key = 'drsession:' . $jar->id;
    my $after = sub {
        my ($path, @lines) = @_;
        $redis->cmd('PEXPIRE', $key, 100_000);
        $httpd->drs({ jar => $jar, path => $path }, @lines);
        return $redis->cmd('PTTL', $key);
    };
    cmp_ok $after->('/drs', $_), '>', 3_500_000, "$_ touches" for 'get a',
        'get none', 'get_many a b', 'has a', 'count', 'keys', 'all',
        'set a 1', 'incr a 1', 'add a 1', 'del none';
    cmp_ok $after->('/notouch', $_), '<=', 100_000, "$_ does not with Touch Off"
        for 'get a', 'has a', 'all';
    cmp_ok $after->('/notouch', 'set a 1'), '>', 3_500_000,
        'a write refreshes all the same';
    cmp_ok $after->('/drs', 'id', 'key'), '<=', 100_000,
        'no traffic, no touch';
    $jar = jar();
    $httpd->drs({ jar => $jar, path => '/never' }, 'set a 1');
    is $redis->cmd('PTTL', 'drsession:' . $jar->id), -1, 'Idle 0 is for ever';
};

subtest 'too_old_is_gone' => sub {
    my ($young, $old, $soon) = map { make_id(int(time) - $_) }
        (60, 7260, 7200 - 90);
    $redis->cmd('HSET', "drsession:$_", 'a', '1') for $young, $old, $soon;
    my $run = sub {
        my ($id, @lines) = @_;
        $httpd->drs({ jar => jar(drsession => $id), path => '/max' }, @lines);
    };
    is $run->($young, 'get a'), 'ok 1', 'a young one lives';
    is $run->($old, 'get a'), 'notfound', 'an old one does not';
    is $redis->cmd('EXISTS', "drsession:$old"), 0, 'and is removed';
    my $jar = jar(drsession => $old);
    is $httpd->drs({ jar => $jar, path => '/max' }, 'set a 1'), 'ok';
    isnt $jar->id, $old, 'a write makes another';
    is $run->($soon, 'set b 1'), 'ok', 'one near its end';
    cmp_ok $redis->cmd('PTTL', "drsession:$soon"), '<=', 91_000,
        'expires at its end, not later';
    $run->($soon, 'get b');
    cmp_ok $redis->cmd('PTTL', "drsession:$soon"), '<=', 91_000,
        'after a read too';
};

# An id of another program says no birth: its key's own expiry counts.
subtest 'who_changes_every_field_wins_no_time' => sub {
    my @most;
    for my $n (1 .. 16) {
        my $id = sprintf '%043d', $n;
        $redis->cmd('HSET', "drsession:$id", "old$n", 1);
        $redis->cmd('PEXPIRE', "drsession:$id", 100_000);
        my $answer = $httpd->drs({ jar => jar(drsession => $id),
            path => '/agemax' }, "set_many old$n\tnew$n 1");
        is $answer, 'ok' if $answer ne 'ok';
        my $left = $redis->cmd('PTTL', "drsession:$id");
        push @most, $left if $left > 100_000 || $left <= 0;
    }
    is "@most", '', 'each keeps the time it had';
};

subtest 'a_write_never_revives_a_session' => sub {
    my $rounds = 1000;
    my @ids;
    $redis->cmd('FLUSHALL');
    for (1 .. $rounds) {
        my $id = make_id(int time);
        $redis->cmd('HSET', "drsession:$id", 'a', '1', 'b', '2');
        $redis->cmd('EXPIRE', "drsession:$id", 3600);
        push @ids, $id;
    }
    my @writes = ('set a 2', 'incr n 1', "set_many a 1\tc 2", 'add z 1',
        'del b');
    my ($writer) = parallel(2, sub {
        my ($k) = @_;
        my %said;
        for my $n (0 .. $#ids) {
            my $jar = jar(drsession => $ids[$n]);
            # Meet at the same id: neither runs ahead by more than one.
            $redis->cmd('INCR', "at:$n");
            for (1 .. 2000) {
                last if $redis->cmd('GET', "at:$n") >= 2;
            }
            my @answer = $httpd->drs({ jar => $jar }, $k ? 'destroy'
                : ($n % 2 ? 'get a' : 'id', $writes[$n % @writes]));
            $said{ $answer[-1] =~ s/ .*//r }++;
        }
        return \%said;
    }, 120);
    my @undead = grep { $redis->cmd('EXISTS', "drsession:$_") } @ids;
    is scalar(@undead), 0, "after $rounds races no ended session is there";
    my @odd = grep { !/\A(?:ok|gone|notfound)\z/ } keys %$writer;
    is "@odd", '', 'the writer got ok, a new id or gone';
    my @forever = grep { /^drsession:/ && $redis->cmd('PTTL', $_) == -1 }
        @{ $redis->cmd('KEYS', '*') };
    is scalar(@forever), 0, 'and no key is without its expiry'
        or diag join "\n", map { my $id = substr $_, 10;
            (grep { $_ eq $id } @ids) ? 'an old one: ' : 'a new one: ',
            join ' ', @{ $redis->cmd('HGETALL', $_) } } @forever;
    $redis->cmd('FLUSHALL');
};

subtest 'seen_alive_and_ended_is_gone' => sub {
    my $jar = jar();
    $httpd->drs({ jar => $jar }, 'set a 1');
    my $id = $jar->id;
    my $ended = $httpd->dir . '/ended';
    $redis->cmd('PEXPIRE', "drsession:$id", 100_000);
    my @said = parallel(2, sub {
        my ($k) = @_;
        return [$httpd->drs({ jar => $jar }, 'get a', 'await ' . pct($ended),
                            'set a 2', 'incr n 1')] unless $k;
        # A read refreshes the expiry.
        wait_until(8, sub { $redis->cmd('PTTL', "drsession:$id") > 100_000 })
            or die 'not read';
        my $n = $redis->cmd('DEL', "drsession:$id");
        $httpd->add('ended', '');
        return $n;
    });
    is_deeply \@said, [['ok 1', 'ok', 'gone', 'gone'], 1];
    is $redis->cmd('EXISTS', "drsession:$id"), 0, 'it stays dead';
};

subtest 'of_two_regenerates_one_wins' => sub {
    my %said;
    for (1 .. 50) {
        my $jar = jar();
        $httpd->drs({ jar => $jar }, 'set a 1');
        my $old = $jar->id;
        my @two = parallel(2, sub {
            my $own = $jar->copy;
            my ($rv) = $httpd->drs({ jar => $own }, 'regenerate', 'id');
            return [$rv, $own->id];
        });
        $said{ join ' ', sort map { $_->[0] } @two }++;
        my ($won) = grep { $_->[0] eq 'ok' } @two;
        $said{lost}++ unless $won
            && $redis->cmd('HGET', "drsession:$won->[1]", 'a') eq '1'
            && !$redis->cmd('EXISTS', "drsession:$old");
    }
    is_deeply \%said, { 'gone ok' => 50 }, 'the other is told gone';
};

subtest 'strict_off_does_as_the_origin' => sub {
    for my $id ('x' x 16, 'y' x 128, 'z' x 43) {
        my $jar = jar(drsession => $id);
        is $httpd->drs({ jar => $jar, path => '/loose' }, 'set a 1'), 'ok';
        is $redis->cmd('HGET', "drsession:$id", 'a'), '1',
            length($id) . ' characters are taken as the id';
        cmp_ok $redis->cmd('PTTL', "drsession:$id"), '>', 0, 'it expires';
    }
    for my $id ('x' x 15, 'y' x 129, 'a:b' x 10) {
        is $httpd->drs({ jar => jar(drsession => $id), path => '/loose' },
            'is_bound'), 'ok 0', length($id) . ' are not';
    }
};

subtest 'the_cookie_says_what_was_configured' => sub {
    my $cookie = sub {
        my ($path, @lines) = @_;
        my $r = $httpd->request('POST', $path, body => join "\n", @lines);
        my @all = headers($r, 'Set-Cookie');
        is scalar(@all), 1, "$path sends one";
        return DRS::Jar::parse($all[0]);
    };
    my $c = $cookie->('/drs', 'set a 1', 'set b 2', 'regenerate');
    is $c->{name}, 'drsession';
    is_deeply $c->{attr}, { path => '/', samesite => 'Lax', httponly => 1,
        'max-age' => 400 * 86400 }, 'the defaults' or diag explain $c;
    $c = $cookie->('/cookie', 'set a 1');
    is $c->{name}, '__Host-sid', 'another name';
    is_deeply $c->{attr}, { path => '/', samesite => 'Strict', secure => 1,
        httponly => 1 }, 'for the browser session';
    is $redis->cmd('EXISTS', "other:$c->{value}"), 1, 'another prefix';
    $c = $cookie->('/wide', 'set a 1');
    is_deeply $c->{attr}, { path => '/wide', domain => 'example.com',
        samesite => 'None', secure => 1, 'max-age' => 3600,
        partitioned => 1 }, 'everything said';
    my $r = $httpd->request('POST', '/wide', body => "destroy\n",
        headers => { Cookie => "wide=$c->{value}" });
    my $end = DRS::Jar::parse(header($r, 'Set-Cookie'));
    is $end->{value}, '', 'ended by an empty value';
    is $end->{attr}{path}, '/wide', 'same path';
    is $end->{attr}{domain}, 'example.com', 'same domain';
    is $end->{attr}{'max-age'}, 0, 'expired';
};

error_log_is_clean($httpd);
done_testing;
