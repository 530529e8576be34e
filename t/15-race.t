#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# Many clients at once: no increment and no field is lost, and nobody ever
# reads what belongs to another.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/lib";
use DRS;
use Test::More;

needs();
my $redis = start_redis();
my $httpd = start_httpd(redis => $redis, threads => 16, conf => <<'CONF');
DRSession On
DRSessionIdle 1h
DRSessionTimeout connect=2s command=5s request=10s
DRSessionPool max=8 wait=5s
CONF

sub begin {
    my $jar = jar();
    is $httpd->drs({ jar => $jar }, 'set born 1'), 'ok', 'a session';
    return $jar;
}

subtest 'a_thousand_increments_are_a_thousand' => sub {
    my $jar = begin();
    my @seen = map { @$_ } parallel(8, sub {
        my $own = $jar->copy;
        return [map { $httpd->drs({ jar => $own }, 'incr n 1') } 1 .. 125];
    });
    is $httpd->drs({ jar => $jar }, 'get_int n'), 'ok 1000', 'the sum';
    my %seen = map { $_ => 1 } @seen;
    is scalar(keys %seen), 1000, 'each caller got a number of its own';
    is $redis->cmd('HGET', 'drsession:' . $jar->id, 'n'), '1000', 'in Redis';
};

subtest 'writers_of_different_fields_never_undo_each_other' => sub {
    my $jar = begin();
    my @bad = parallel(16, sub {
        my ($k) = @_;
        my $own = $jar->copy;
        my $bad = 0;
        for my $n (1 .. 40) {
            my @answer = $httpd->drs({ jar => $own }, "set f$k $n",
                "get f$k", "set_many g$k $n\th$k $n");
            $bad++ if "@answer" ne "ok ok $n ok";
        }
        return "$bad";
    });
    is "@bad", join(' ', (0) x 16), 'each saw its own writes';
    is_deeply { @{ $redis->cmd('HGETALL', 'drsession:' . $jar->id) } },
        { born => 1, map { ("f$_" => 40, "g$_" => 40, "h$_" => 40) } 0 .. 15 },
        'and all are there';
};

subtest 'of_many_who_add_or_pop_one_succeeds' => sub {
    my $jar = begin();
    my @won = parallel(8, sub {
        my ($k) = @_;
        my $own = $jar->copy;
        my %won;
        for my $n (1 .. 40) {
            my @answer = $httpd->drs({ jar => $own }, "add a$n $k",
                                     "pop token$n");
            $won{add}++ if $answer[0] eq 'ok';
            $httpd->drs({ jar => $own }, "add token$n 1") if $k == 0;
        }
        return $won{add} // 0;
    });
    my $sum = 0;
    $sum += $_ for @won;
    is $sum, 40, 'of eight one added';
    my $key = 'drsession:' . $jar->id;
    $redis->cmd('HSET', $key, map { ("t$_", $_) } 1 .. 100);
    my @got = map { @$_ } parallel(8, sub {
        my $own = $jar->copy;
        return [grep { /^ok/ } map { $httpd->drs({ jar => $own }, "pop t$_") }
            1 .. 100];
    });
    is scalar(@got), 100, 'of eight one popped';
    is_deeply [sort @got], [sort map { "ok $_" } 1 .. 100], 'each its value';
};

subtest 'nobody_reads_what_belongs_to_another' => sub {
    my @bad = parallel(12, sub {
        my ($k) = @_;
        my @users = map { { jar => jar(), tag => "user-$k-$_" } } 1 .. 4;
        my $bad = 0;
        $httpd->drs({ jar => $_->{jar} }, "set_string tag $_->{tag}",
                    'set pad "' . 'x' x (10 + rand 20000) . '"') for @users;
        for my $n (1 .. 100) {
            my $user = $users[rand @users];
            my @answer = $httpd->drs({ jar => $user->{jar} },
                'get_string tag', 'get pad', 'incr n 1', 'get_many tag none',
                'get_string tag');
            $bad++ if $answer[0] ne "ok $user->{tag}"
                || $answer[1] !~ /\Aok "x+"\z/
                || $answer[2] !~ /\Aok \d+\z/
                || $answer[3] ne "ok \"$user->{tag}\"\t(nil)"
                || $answer[4] ne $answer[0];
            # One who hangs up while the answer is under way.
            if ($n % 20 == 0) {
                my $rude = DRS::Http->new(port => $httpd->port);
                eval { $rude->request('POST', '/drs', jar => $user->{jar},
                    body => "get pad\nsleep 5\nget pad\n", timeout => 0.001) };
            }
        }
        return "$bad";
    }, 90);
    is "@bad", join(' ', (0) x 12), 'in 1,200 requests of 48 users';
};

error_log_is_clean($httpd);
done_testing;
