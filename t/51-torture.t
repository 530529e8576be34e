#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# The torture in short: the checker judges histories written by hand, the
# planted bugs still fit the sources, the proxy tells its lies in one piece,
# and a few seconds of all of it together find nothing. `make torture` is
# the long form, `make torture-selftest` shows that bugs are caught.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/lib";
use DRS;
use File::Temp qw(tempdir);
use JSON::PP;
use Test::More;

chdir "$FindBin::Bin/.." or die "no root: $!";
my $here = 't/torture';
my $json = JSON::PP->new->canonical->ascii;

sub spit {
    my ($path, $text) = @_;
    open my $out, '>', $path or die "$path: $!";
    print {$out} $text;
    close $out or die "$path: $!";
}

# A call, from a to b (ms): at(a, b, kind, field, status, what, more).
# What is the n of a write, the value of a read, the epoch of a renew.
my %writes = map { $_ => 1 } qw(set add mset);
sub at {
    my ($from, $to, $kind, $field, $status, $what, %more) = @_;
    my $n = $writes{$kind} ? $what : undef;
    my $value = $writes{$kind} ? undef : $what;
    return [$kind, $field, $n, $status, $value, $more{id} // 0,
        $more{other} // 0, $from * 1000, $to * 1000, $more{door} // 'c',
        $more{client} // 1, exists $more{waited} ? $more{waited} * 1000 : -1];
}

# Name, the rules that it breaks, its calls.
my @cases = (
['one_writer_is_read', '', at(0, 1, 'set', 'w1', 'ok', 5),
    at(2, 3, 'get', 'w1', 'ok', 5), at(4, 5, 'set', 'w1', 'unsure', 6),
    at(6, 7, 'get', 'w1', 'ok', 5), at(8, 9, 'get', 'w1', 'ok', 6)],
['an_older_value', 'durability', at(0, 1, 'set', 'w1', 'ok', 5),
    at(2, 3, 'set', 'w1', 'ok', 6), at(4, 5, 'get', 'w1', 'ok', 5)],
['an_unsure_value_that_comes_and_goes', 'durability',
    at(0, 1, 'set', 'w1', 'ok', 5), at(2, 3, 'set', 'w1', 'unsure', 6),
    at(4, 5, 'get', 'w1', 'ok', 6), at(6, 7, 'get', 'w1', 'ok', 5)],
['a_value_that_is_lost', 'durability', at(0, 1, 'set', 'w1', 'ok', 5),
    at(4, 5, 'get', 'w1', 'notfound')],
['a_value_of_a_write_that_is_down', 'durability',
    at(0, 1, 'set', 'w1', 'down', 5), at(4, 5, 'get', 'w1', 'ok', 5)],
['a_value_before_it_was_written', 'durability',
    at(0, 1, 'get', 'w1', 'ok', 5), at(4, 5, 'set', 'w1', 'ok', 5)],
['a_session_that_moves', '', at(0, 1, 'set', 'w1', 'ok', 5),
    at(2, 6, 'renew', '', 'ok', 1), at(3, 4, 'get', 'w1', 'notfound'),
    at(7, 8, 'get', 'w1', 'ok', 5, id => 1),
    at(9, 10, 'set', 'w1', 'ok', 6, other => 1),
    at(11, 12, 'get', 'w1', 'ok', 5, id => 1)],
['a_read_by_an_old_id', 'end', at(0, 1, 'set', 'w1', 'ok', 5),
    at(2, 6, 'renew', '', 'ok', 1), at(7, 8, 'get', 'w1', 'ok', 5)],
['a_write_by_an_old_id', 'end', at(0, 1, 'set', 'w1', 'ok', 5),
    at(2, 6, 'end', '', 'ok'), at(7, 8, 'set', 'w2', 'ok', 6)],
['a_key_of_an_old_id', 'end', at(2, 6, 'end', '', 'ok'),
    at(7, 8, 'key', '', 'ok', undef, door => 'redis')],
['an_end_that_is_unsure', '', at(0, 1, 'set', 'm0', 'ok', 5),
    at(2, 3, 'end', '', 'unsure'), at(4, 5, 'get', 'm0', 'ok', 5),
    at(6, 7, 'get', 'm0', 'notfound')],
['a_session_that_comes_back', 'order', at(0, 1, 'set', 'm0', 'ok', 5),
    at(2, 3, 'end', '', 'lost'), at(4, 5, 'get', 'm0', 'notfound'),
    at(6, 7, 'get', 'm0', 'ok', 5)],
['two_who_both_move_it', 'end order', at(0, 1, 'set', 'm0', 'ok', 5),
    at(1, 2, 'get', 'm0', 'ok', 5), at(2, 3, 'renew', '', 'ok', 1),
    at(4, 5, 'renew', '', 'ok', 2)],
['a_counter', '', at(0, 2, 'incr', 'c0', 'ok', 1001),
    at(1, 3, 'incr', 'c0', 'ok', 1002), at(4, 5, 'incr', 'c0', 'unsure'),
    at(6, 7, 'num', 'c0', 'ok', 1002), at(8, 9, 'num', 'c0', 'ok', 1003)],
['a_counter_that_counts_twice', 'counters',
    at(0, 2, 'incr', 'c0', 'ok', 1001), at(4, 5, 'num', 'c0', 'ok', 1002)],
['a_counter_that_counts_what_is_down', 'counters',
    at(0, 2, 'incr', 'c0', 'down'), at(4, 5, 'num', 'c0', 'ok', 1001)],
['a_counter_that_forgets', 'counters', at(0, 2, 'incr', 'c0', 'ok', 1001),
    at(3, 4, 'incr', 'c0', 'ok', 1002), at(5, 6, 'num', 'c0', 'ok', 1001)],
['a_counter_that_goes_back', 'counters', at(0, 2, 'incr', 'c0', 'unsure'),
    at(3, 4, 'num', 'c0', 'ok', 1001), at(5, 6, 'num', 'c0', 'ok', 1000)],
['a_sum_that_two_got', 'counters', at(0, 9, 'incr', 'c0', 'ok', 1001),
    at(0, 9, 'incr', 'c0', 'ok', 1001), at(10, 11, 'num', 'c0', 'ok', 1002)],
['a_register', '', at(0, 5, 'set', 'm0', 'ok', 1),
    at(1, 6, 'set', 'm0', 'ok', 2), at(2, 4, 'get', 'm0', 'notfound'),
    at(7, 8, 'get', 'm0', 'ok', 1), at(9, 10, 'add', 'm0', 'exists', 3),
    at(11, 12, 'pop', 'm0', 'ok', 1), at(13, 14, 'has', 'm0', 'notfound'),
    at(15, 16, 'del', 'm0', 'notfound'), at(17, 18, 'add', 'm0', 'ok', 4),
    at(19, 20, 'del', 'm0', 'ok'), at(21, 22, 'get', 'm0', 'notfound')],
['two_readers_who_disagree', 'order', at(0, 1, 'set', 'm0', 'ok', 1),
    at(2, 9, 'set', 'm0', 'ok', 2), at(3, 4, 'get', 'm0', 'ok', 2),
    at(5, 6, 'get', 'm0', 'ok', 1)],
['two_who_pop_the_same', 'order', at(0, 1, 'set', 'm0', 'ok', 1),
    at(2, 5, 'pop', 'm0', 'ok', 1), at(3, 6, 'pop', 'm0', 'ok', 1)],
['two_who_add', 'order', at(0, 5, 'add', 'm0', 'ok', 1),
    at(1, 6, 'add', 'm0', 'ok', 2)],
['an_unsure_write_that_comes_late', '', at(0, 1, 'set', 'm0', 'unsure', 1),
    at(2, 3, 'set', 'm0', 'ok', 2), at(4, 5, 'get', 'm0', 'ok', 2),
    at(6, 7, 'get', 'm0', 'ok', 1)],
['an_unsure_write_that_comes_twice', 'order',
    at(0, 1, 'set', 'm0', 'unsure', 1), at(2, 3, 'set', 'm0', 'ok', 2),
    at(4, 5, 'get', 'm0', 'ok', 1), at(6, 7, 'set', 'm0', 'ok', 3),
    at(8, 9, 'get', 'm0', 'ok', 1)],
['somebody_elses', 'ownership', at(0, 1, 'get', 'm0', 'alien', 'you')],
['a_pair_of_one_write', '', at(0, 1, 'mset', 'p0', 'ok', 1),
    at(2, 3, 'mget', 'p0', 'ok', 1)],
['a_pair_of_two_writes', 'order',
    at(0, 1, 'mget', 'p0', 'torn', '1 and 2')],
['a_pair_that_is_old', 'order', at(0, 1, 'mset', 'p0', 'ok', 1),
    at(2, 3, 'mset', 'p0', 'ok', 2), at(4, 5, 'mget', 'p0', 'ok', 1)],
['an_answer_that_is_none', 'manners', at(0, 1, 'set', 'm0', 'http:502', 1)],
['a_key_without_expiry', 'expiry',
    at(0, 1, 'ttl', '', 'ok', -1, door => 'redis')],
['a_call_within_its_time', '', at(0, 399, 'get', 'm0', 'down', undef,
    waited => 0), at(0, 699, 'renew', '', 'down', undef, waited => 0)],
['a_call_that_takes_long', 'bounds', at(10000, 10401, 'get', 'm0', 'down',
    undef, waited => 0)],
['a_call_that_waits_for_a_processor', '', at(0, 900, 'get', 'm0', 'down',
    undef, waited => 501)],
['a_call_on_a_busy_machine', '', at(20000, 20900, 'get', 'm0', 'down', undef,
    waited => 0)],
['late_calls_while_processors_are_wanted', '', map { at($_ * 1000,
    $_ * 1000 + 900, 'get', 'm0', 'down', undef, waited => 0) } 31 .. 33],
['too_many_of_them', 'bounds', map { at($_ * 1000, $_ * 1000 + 900, 'get',
    'm0', 'down', undef, waited => 0) } 34 .. 35],
['a_request_that_takes_long', 'bounds', at(10000, 11301, 'request', '', 'ok',
    undef, waited => 0)],
['a_write_that_is_not_on_the_wire', 'honesty',
    at(0, 1, 'set', 'm0', 'ok', 77)],
['a_sum_that_is_not_on_the_wire', 'honesty',
    at(0, 1, 'incr', 'c1', 'ok', 2001)],
);

sub judge {
    my $dir = tempdir(CLEANUP => 1);
    my (@lines, @wire);
    for my $case (@_) {
        my ($name, undef, @ops) = @$case;
        push @lines, $json->encode({ tag => $name, ops => \@ops,
            base => { c0 => 1000, c1 => 2000 } });
        push @wire, map { defined $_->[2] ? "$name $_->[2]"
            : "= " . ($_->[4] // '-') } grep { $_->[3] eq 'ok'
            && ($_->[2] // 0) != 77 && ($_->[4] // 0) != 2001 } @ops;
    }
    spit("$dir/limits.json", '{"command":300000,'
        . '"request":1200000,"shown":100}');
    spit("$dir/machine", join '', map { "$_\n" } '0 0 0', '10000000 0 0',
        '12000000 0 0', '20100000 600000 0', '22000000 0 0', '30000000 0 0',
        '39000000 0 9000000');
    spit("$dir/hist-1", join '', map { "$_\n" } @lines);
    spit("$dir/wire-0", join '', map { "$_\n" } @wire);
    spit("$dir/stop", '');
    my $said = qx(python3 -B $here/check.py $dir 2>&1);
    my %broken;
    my $text = DRS::Httpd::slurp("$dir/violations");
    $broken{$2}{$1} = 1 while $text =~ /^(\w+): session (\w+):/mg;
    # Sums are nobody's: the wire does not know the session.
    $broken{a_sum_that_is_not_on_the_wire}{honesty} = 1
        if $text =~ /^honesty: session =: the sum 2001 /m;
    return ($? >> 8, $said, \%broken, $text);
}

subtest 'the_checker_judges_histories' => sub {
    my ($code, $said, $broken, $text) = judge(grep { $_->[1] eq '' } @cases);
    is $code, 0, 'none that may be is refused' or diag "$said$text";
    ($code, $said, $broken, $text) = judge(@cases);
    is $code, 1, 'and the others are told';
    is join(' ', sort keys %{ $broken->{ $_->[0] } // {} }), $_->[1],
        $_->[0] . ($_->[1] eq '' ? ' may be' : " breaks $_->[1]")
        or diag $text for @cases;
    like $text, qr/^    .* client 1 by c: get w1 \(id 0\) -> ok 5$/m,
        'with the calls that prove it';
};

subtest 'the_planted_bugs_fit' => sub {
    my @patches = sort glob "$here/bugs/*.patch";
    cmp_ok scalar(@patches), '>=', 6, 'there are bugs';
    plan skip_all => 'no patch(1) here' if system('command -v patch >/dev/null');
    for my $path (@patches) {
        my $said = qx(patch -p1 -F0 --dry-run -f -s -i $path 2>&1);
        is $?, 0, $path or diag $said;
        my $text = DRS::Httpd::slurp($path);
        like $text, qr/^# $_: \S/m, "$path names its $_"
            for qw(Bug Rule Torture);
    }
};

# The proxy, asked by hand: every lie is one that can be seen through.
subtest 'the_proxy_lies_in_one_piece' => sub {
    my $redis = start_redis();
    $redis->cmd('HSET', 'k', 'f', '"mine"');
    my %said;
    for my $lie ('', qw(double stray garble cut_after cut_before swap)) {
        my $dir = tempdir(CLEANUP => 1);
        my $pid = DRS::Proc::spawn(log => "$dir/log", argv => ['python3', '-B',
            "$here/proxy.py", $json->encode({ unix => "$dir/sock",
                port => DRS::Proc::free_port(), redis => $redis->socket,
                wire => "$dir/wire", counts => "$dir/counts",
                rates => $lie eq '' ? {} : { $lie => 100000 } })]);
        my $socket;
        DRS::Proc::wait_until(10, sub {
            $socket = IO::Socket::UNIX->new(Peer => "$dir/sock");
        }) or die "no proxy: $!";
        $socket->autoflush(1);
        Time::HiRes::sleep(0.01);
        print {$socket} "*3\r\n\$4\r\nHGET\r\n\$1\r\nk\r\n\$1\r\nf\r\n",
            $lie eq 'swap' ? "*2\r\n\$6\r\nEXISTS\r\n\$1\r\nk\r\n" : '';
        my $bytes;
        $said{$lie} = sysread($socket, $bytes, 8192) ? $bytes : 'closed';
        DRS::Proc::stop($pid);
        my $counts = decode_json DRS::Httpd::slurp("$dir/counts");
        is $counts->{$lie}, 1, "$lie is counted" if $lie ne '';
    }
    my $true = "\$6\r\n\"mine\"\r\n";
    is $said{''}, $true, 'the truth';
    is $said{double}, $true x 2, 'a doubled reply comes with the first';
    like $said{stray}, qr/\A\Q$true\E\$5\r\n"you"\r\n\z/, 'a stray one too';
    is $said{swap}, ":1\r\n$true", 'replies of two types change places';
    is $said{$_}, 'closed', $_ for qw(cut_after cut_before);
    unlike $said{garble}, qr/mine/, 'garbled';
};

subtest 'a_few_seconds_find_nothing' => sub {
    plan skip_all => 'time is not measured under valgrind or sanitizers'
        if $ENV{DRS_VALGRIND} || $ENV{DRS_PRELOAD};
    plan skip_all => 'no lua/drsession.so'
        unless defined DRS::Httpd::lua_home();
    needs(qw(lua include proxy proxy_http));
    local $ENV{TORTURE} = 'mpm=event';
    # A slow machine takes its time for as many.
    my $ops = 0;
    for my $seconds (5, 20, 60) {
        local $ENV{SECONDS} = $seconds;
        my $said = qx($here/run 2>&1);
        is $? >> 8, 0, 'no rule is broken' or diag $said;
        $ops += $1 if $said =~ /^ops +(\d+)/m;
        note $said;
        last if $ops > 1000;
    }
    cmp_ok $ops, '>', 1000, 'many calls were made';
};

done_testing;
