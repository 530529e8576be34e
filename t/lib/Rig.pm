# SPDX-License-Identifier: MIT
# A private Redis and a private httpd for one test file: own folder, free
# loopback port, stopped by pid however the test ends. Core modules only.
package Rig;
use strict;
use warnings;
use Cwd qw(abs_path);
use File::Path qw(make_path);
use File::Temp qw(tempdir);
use HTTP::Tiny;
use IO::Socket::INET;
use IO::Socket::UNIX;
use POSIX qw(WNOHANG);
use Time::HiRes qw(sleep time);

my @children;    # pid of whoever started it, pid
END { my $status = $?; stop_all(); $? = $status }

sub stop_all {
    for (@children) {
        my ($owner, $pid) = @$_;
        stop_pid($pid) if $owner == $$;
    }
    @children = ();
}

sub stop_pid {
    my ($pid) = @_;
    kill 'TERM', $pid;
    for (1 .. 100) {
        return if waitpid($pid, WNOHANG) != 0;
        sleep 0.1;
    }
    kill 'KILL', $pid;
    waitpid $pid, 0;
}

sub spawn {
    my ($log, $env, @argv) = @_;
    my $pid = fork // die "fork: $!";
    if ($pid == 0) {
        # httpd stops its whole process group.
        POSIX::setsid();
        %ENV = (%ENV, %$env);
        open STDIN,  '<',  '/dev/null';
        open STDOUT, '>>', $log;
        open STDERR, '>&', \*STDOUT;
        exec @argv or POSIX::_exit(127);
    }
    push @children, [$$, $pid];
    return $pid;
}

sub free_port {
    my $socket = IO::Socket::INET->new(Listen => 1, LocalAddr => '127.0.0.1')
        or die "no free port: $!";
    return $socket->sockport;
}

sub wait_until {
    my ($seconds, $check) = @_;
    my $end = time + $seconds;
    until ($check->()) {
        die "not up after $seconds s" if time > $end;
        sleep 0.05;
    }
}

sub new {
    my ($class, %opt) = @_;
    my $dir = tempdir('drsXXXXXX', TMPDIR => 1, CLEANUP => 1);
    chmod 0755, $dir;
    my $self = bless { dir => $dir, mpm => 'event', %opt }, $class;
    make_path("$dir/docs", "$dir/cgi");
    $self->{port} = free_port();
    $self->{redis_port} = free_port();
    $self->start_redis if $self->{redis} // 1;
    return $self;
}

sub server_url {
    my ($self) = @_;
    return $self->{tcp} ? "redis://127.0.0.1:$self->{redis_port}"
                        : "unix://$self->{dir}/redis.sock";
}

sub start_redis {
    my ($self, @more) = @_;
    my $dir = $self->{dir};
    $self->{redis_pid} = spawn("$dir/redis.log", {}, 'redis-server',
        '--port', $self->{redis_port}, '--bind', '127.0.0.1',
        '--unixsocket', "$dir/redis.sock", '--unixsocketperm', '777',
        '--save', '', '--dir', $dir, @more);
    wait_until(10, sub { eval { $self->redis('PING') eq 'PONG' } });
}

sub stop_redis {
    my ($self) = @_;
    kill 'CONT', $self->{redis_pid};
    stop_pid($self->{redis_pid});
}

# One command, one reply; errors die.
sub redis {
    my ($self, @argv) = @_;
    my $socket = IO::Socket::UNIX->new(Peer => "$self->{dir}/redis.sock")
        or die "redis: $!";
    print $socket '*' . @argv . "\r\n",
        map { '$' . length($_) . "\r\n$_\r\n" } @argv;
    $socket->flush;
    return read_reply($socket);
}

sub read_reply {
    my ($socket) = @_;
    my $line = <$socket> // die 'redis closed';
    $line =~ s/\r\n\z//;
    my ($type, $rest) = (substr($line, 0, 1), substr($line, 1));
    die "$rest\n" if $type eq '-';
    return $rest if $type eq '+' || $type eq ':';
    return undef if $rest == -1;
    return [map { read_reply($socket) } 1 .. $rest] if $type eq '*';
    read $socket, my $bytes, $rest + 2;
    return substr $bytes, 0, $rest;
}

sub info {
    my ($self, $name) = @_;
    my ($value) = $self->redis('INFO') =~ /^\Q$name\E:(\S+)/m;
    return $value;
}

sub httpd_path { return $ENV{HTTPD} // '/usr/sbin/apache2' }

sub module_dir {
    chomp(my $dir = `apxs -q LIBEXECDIR`);
    return $dir;
}

sub write_conf {
    my ($self, $extra) = @_;
    my ($dir, $modules) = ($self->{dir}, module_dir());
    my $cgi = $self->{mpm} eq 'prefork' ? 'cgi' : 'cgid';
    my $conf = "ServerRoot $dir\nServerName localhost\n"
        . "Listen 127.0.0.1:$self->{port}\nPidFile $dir/httpd.pid\n"
        . "ErrorLog $dir/error.log\nLogLevel info\nDocumentRoot $dir/docs\n"
        . "DefaultRuntimeDir $dir\n"
        . ($> == 0 ? "User www-data\nGroup www-data\n" : '');
    for my $name ("mpm_$self->{mpm}", qw(authz_core env setenvif rewrite
        headers alias include dir info), $cgi) {
        $conf .= "LoadModule ${name}_module $modules/mod_$name.so\n"
            if -e "$modules/mod_$name.so";
    }
    $conf .= "ScriptSock $dir/cgi.sock\n" if $cgi eq 'cgid';
    $conf .= "LoadModule drsession_module $ENV{DRS_MODULE}\n";
    $conf .= 'DRSessionServer ' . $self->server_url . "\n"
        unless $extra =~ /^DRSessionServer/m;
    $conf .= "ScriptAlias /cgi/ $dir/cgi/\n$extra\n";
    open my $out, '>', "$dir/httpd.conf" or die $!;
    print $out $conf;
    close $out;
}

sub env {
    my %env;
    if ($ENV{DRS_PRELOAD}) {
        $env{LD_PRELOAD}   = $ENV{DRS_PRELOAD};
        $env{ASAN_OPTIONS} = 'detect_leaks=0';
    }
    return \%env;
}

# `httpd -t`: its exit code and what it said.
sub conftest {
    my ($self, $extra) = @_;
    $self->write_conf($extra);
    local %ENV = (%ENV, %{ env() });
    my $out = qx(@{[httpd_path()]} -t -f $self->{dir}/httpd.conf 2>&1);
    return ($? >> 8, $out);
}

sub start_httpd {
    my ($self, $extra) = @_;
    $self->write_conf($extra);
    $self->{httpd_pid} = spawn("$self->{dir}/httpd.out", env(), httpd_path(),
        '-DFOREGROUND', '-f', "$self->{dir}/httpd.conf");
    wait_until(20, sub {
        IO::Socket::INET->new(PeerAddr => "127.0.0.1:$self->{port}");
    });
    return $self;
}

sub add_file {
    my ($self, $name, $text) = @_;
    open my $out, '>', "$self->{dir}/$name" or die $!;
    print $out $text;
    close $out;
    chmod 0755, "$self->{dir}/$name";
}

# A request; the jar, a reference to a cookie value, is sent and updated.
sub request {
    my ($self, $method, $path, %opt) = @_;
    my %headers = %{ $opt{headers} // {} };
    my $jar = $opt{jar};
    $headers{Cookie} = "drsession=$$jar" if $jar && defined $$jar;
    my $client = $self->{client}{$$} //= HTTP::Tiny->new(
        max_redirect => 0, timeout => 20, keep_alive => 1);
    my $response = $client->request($method,
        "http://127.0.0.1:$self->{port}$path",
        { headers => \%headers, content => $opt{body} // '' });
    my $cookie = $response->{headers}{'set-cookie'};
    if ($jar && defined $cookie && !ref $cookie
        && $cookie =~ /^drsession=([^;]*)/) {
        $$jar = length $1 ? $1 : undef;
    }
    return $response;
}

sub error_log {
    my ($self) = @_;
    open my $in, '<', "$self->{dir}/error.log" or return '';
    local $/;
    return <$in>;
}

# Lines that should not be there; the caller names those it provoked.
sub unexpected {
    my ($self, @expected) = @_;
    return grep {
        my $line = $_;
        $line =~ /:(?:error|warn|crit|alert|emerg)\]|exit signal|Sanitizer|runtime error/
            && !grep { $line =~ $_ } @expected
    } split /\n/, $self->error_log;
}

# Run a piece of work in n processes at once; each returns one line.
sub parallel {
    my ($n, $work) = @_;
    my @pipes;
    for my $k (0 .. $n - 1) {
        my $pid = open(my $pipe, '-|') // die "fork: $!";
        if ($pid == 0) {
            print $work->($k), "\n";
            close STDOUT;
            POSIX::_exit(0);
        }
        push @pipes, $pipe;
    }
    return map { chomp(my $line = <$_> // ''); close $_; $line } @pipes;
}

1;
