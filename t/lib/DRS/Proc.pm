# SPDX-License-Identifier: MIT
# Child processes of a test file: started in a group of their own, stopped
# by pid however the test ends, never by name.
package DRS::Proc;
use strict;
use warnings;
use IO::Socket::INET;
use IO::Socket::UNIX;
use POSIX qw(WNOHANG);
use Time::HiRes qw(sleep time);

my %owner;    # pid => the process that started it
my %known;    # the same, for the processes of parallel() too
END {
    my $status = $?;
    for my $pid (keys %owner) {
        stop($pid) if $owner{$pid} == $$;
    }
    $? = $status;
}
$SIG{$_} = sub { exit 1 } for qw(INT TERM HUP);

# Start a program: argv, log file, env to add. httpd signals its whole
# group when it ends, hence the session of its own.
sub spawn {
    my (%opt) = @_;
    my $pid = fork // die "fork: $!";
    if ($pid == 0) {
        $SIG{$_} = 'DEFAULT' for qw(INT TERM HUP);
        POSIX::setsid();
        %ENV = (%ENV, %{ $opt{env} // {} });
        open STDIN,  '<',  '/dev/null' or POSIX::_exit(126);
        open STDOUT, '>>', $opt{log}   or POSIX::_exit(126);
        open STDERR, '>&', \*STDOUT    or POSIX::_exit(126);
        exec { $opt{argv}[0] } @{ $opt{argv} } or POSIX::_exit(127);
    }
    $owner{$pid} = $$;
    $known{$pid} = 1;
    return $pid;
}

# TERM, or the signal given, and KILL after ten seconds.
sub stop {
    my ($pid, $signal) = @_;
    delete $owner{$pid};
    delete $known{$pid};
    kill 'CONT', $pid;
    kill $signal // 'TERM', $pid;
    return if wait_until(10, sub { is_gone($pid) });
    kill 'KILL', $pid;
    waitpid $pid, 0;
}

# Ended, whoever started it: one that is still ending may still write.
sub is_gone {
    my ($pid) = @_;
    my $reaped = waitpid $pid, WNOHANG;
    return $reaped != 0 if $reaped >= 0;
    open my $stat, '<', "/proc/$pid/stat" or return 1;
    return (readline($stat) // ') X') =~ /\) [ZX]/;
}

# What a program prints, both ways; $? is how it ended.
sub output {
    my (@argv) = @_;
    my $pid = open(my $out, '-|') // die "fork: $!";
    if ($pid == 0) {
        open STDERR, '>&', \*STDOUT or POSIX::_exit(126);
        exec { $argv[0] } @argv or POSIX::_exit(127);
    }
    local $/;
    my $text = readline $out;
    close $out;
    return $text // '';
}

sub is_alive { return waitpid($_[0], WNOHANG) == 0 }

sub wait_until {
    my ($seconds, $check) = @_;
    my $end = time + $seconds;
    while (1) {
        return 1 if $check->();
        return 0 if time > $end;
        sleep 0.02;
    }
}

sub slurp {
    my ($path) = @_;
    open my $in, '<', $path or return '';
    local $/;
    return readline($in) // '';
}

# Seconds that this process, those it started and their children waited for
# a processor that was busy with others, as far as Linux tells: of two times,
# the difference is the machine's part of how long something took.
sub late {
    my @pids = ($$, keys %known);
    my $sum = 0;
    while (defined(my $pid = shift @pids)) {
        for my $task (glob "/proc/$pid/task/*") {
            $sum += (split ' ', slurp("$task/schedstat"))[1] // 0;
            push @pids, split ' ', slurp("$task/children") if $pid != $$;
        }
    }
    return $sum / 1e9;
}

# How long some work took, without the machine's part, and its answer.
sub timed {
    my ($work) = @_;
    my ($start, $late) = (time, late());
    my @answer = $work->();
    my $took = time - $start;
    $late = late() - $late;
    $took -= $late if $late > 0;
    return ($took > 0 ? $took : 0, @answer);
}

# Like wait_until(), where the time is promised: the machine's part does not
# count, up to four times as much.
sub in_time {
    my ($seconds, $check) = @_;
    my ($end, $late) = (time + $seconds, late());
    return 1 if wait_until($seconds, $check);
    while (time - $end < 4 * $seconds && time - $end < late() - $late) {
        return 1 if wait_until(0, $check);
        sleep 0.02;
    }
    return 0;
}

# A port for a server: nobody listens there, no other test file takes it, and
# it is none that the system gives to who connects. A name that ends with this
# process says that it is taken.
my @claims;
my $tried = 0;
sub free_port {
    my $end = slurp('/proc/sys/net/ipv4/ip_local_port_range') =~ /^(\d+)/
        ? $1 : 32768;
    die "no port is below those that the system gives\n" if $end < 20_000;
    for (1 .. 1000) {
        my $port = 10_000 + ($$ + 997 * $tried++) % ($end - 10_000);
        my $claim = IO::Socket::UNIX->new(Listen => 1,
            Local => "\0drs-test-port-$port") // next;
        IO::Socket::INET->new(Listen => 1, LocalAddr => '127.0.0.1',
            LocalPort => $port) // next;
        push @claims, $claim;
        return $port;
    }
    die "no free port: $!";
}

# A port where nobody will listen: it is ours, and who connects is refused.
sub dead_port {
    my $socket = IO::Socket::INET->new(Proto => 'tcp',
        LocalAddr => '127.0.0.1') // die "no free port: $!";
    push @claims, $socket;
    return $socket->sockport;
}

# Run a piece of work in n processes at once; each gets its number from 0
# and returns text (references are sent as JSON). A child that dies makes
# the caller die with its message; one that hangs is killed.
sub parallel {
    my ($n, $work, $seconds) = @_;
    my @children = map { start_worker($_, $work) } 0 .. $n - 1;
    my $watch = start_watch($seconds // 600, map { $_->{pid} } @children);
    my (@results, @failed);
    for my $child (@children) {
        local $/;
        my $text = readline $child->{pipe};
        close $child->{pipe};
        waitpid $child->{pid}, 0;
        if (!defined $text || $text !~ s/\Aok //) {
            push @failed, length($text // '') ? $text
                : 'it was killed, or took too long';
            next;
        }
        push @results, JSON::PP->new->allow_nonref->decode($text);
    }
    kill 'KILL', $watch;
    waitpid $watch, 0;
    die "a worker failed: $failed[0]" if @failed;
    return @results;
}

sub start_worker {
    my ($k, $work) = @_;
    require JSON::PP;
    pipe my $in, my $out or die "pipe: $!";
    my $pid = fork // die "fork: $!";
    return close($out) && { pid => $pid, pipe => $in } if $pid;
    %owner = ();
    srand;
    my $result = eval { $work->($k) };
    my $text = $@ ? "died: $@"
        : 'ok ' . JSON::PP->new->allow_nonref->ascii->encode($result);
    print {$out} $text;
    close $out;
    POSIX::_exit(0);
}

sub start_watch {
    my ($seconds, @pids) = @_;
    my $pid = fork // die "fork: $!";
    return $pid if $pid;
    close STDOUT;
    close STDERR;
    sleep $seconds;
    kill 'KILL', @pids;
    POSIX::_exit(0);
}

1;
