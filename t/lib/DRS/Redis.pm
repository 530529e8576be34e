# SPDX-License-Identifier: MIT
# A private Redis for one test file, on a unix socket and a free loopback
# port in its own folder, and a client of a few lines for looking into it.
package DRS::Redis;
use strict;
use warnings;
use DRS::Proc;
use DRS::Secrets;
use File::Temp qw(tempdir);
use FindBin;
use IO::Socket::INET;
use IO::Socket::UNIX;
use Time::HiRes qw(sleep time);

# The server's program, or undef. Whoever wants another than the first names
# it in DRS_SERVER, and does not want the tests without it.
sub program {
    for my $name ($ENV{DRS_SERVER} || qw(redis-server valkey-server)) {
        for my $dir (split /:/, $ENV{PATH}) {
            return "$dir/$name" if -x "$dir/$name";
        }
    }
    die "no $ENV{DRS_SERVER} here\n" if $ENV{DRS_SERVER};
    return undef;
}

# What it is, and which: "valkey 8.1.1".
sub version {
    my ($self) = @_;
    my $info = $self->cmd('INFO', 'server');
    my ($name) = $info =~ /^server_name:(\w+)/m;
    $name //= 'redis';
    my ($version) = $info =~ /^${name}_version:(\S+)/m;
    return "$name " . ($version // '?');
}

our %running;    # by folder

# options: appendonly => 1, args => [...] of the server, start => 0,
# user and pass for our own client, port.
sub new {
    my ($class, %opt) = @_;
    my $dir = tempdir('drs-redis-XXXXXX', TMPDIR => 1, CLEANUP => 1);
    chmod 0755, $dir;
    my $self = bless {
        port => DRS::Proc::free_port(),
        args => [],
        %opt,
        dir => $dir,
    }, $class;
    DRS::Secrets::watch("$dir/redis.log");
    DRS::Secrets::add(grep { defined && length > 5 } $opt{pass});
    $self->start if $opt{start} // 1;
    return $self;
}

# The ids of all sessions there are, under whatever prefix.
sub live_ids {
    my ($self) = @_;
    my $keys = eval { $self->cmd('KEYS', '*') };
    return $keys ? @$keys : ();
}

sub port   { $_[0]{port} }
sub socket { "$_[0]{dir}/redis.sock" }
sub dir    { $_[0]{dir} }
sub pid    { $_[0]{pid} }

# What DRSessionServer takes; kind is unix (default), tcp or name.
sub url {
    my ($self, $kind) = @_;
    return 'unix://' . $self->socket if ($kind // 'unix') eq 'unix';
    return ($kind eq 'name' ? 'redis://localhost:' : 'redis://127.0.0.1:')
        . $self->port;
}

# With the arguments given, not waiting until it answers.
sub launch {
    my ($self, @more) = @_;
    my $program = program() // die 'neither redis-server nor valkey-server';
    $self->{pid} = DRS::Proc::spawn(
        log  => "$self->{dir}/redis.log",
        argv => [$program, '--port', $self->port, '--bind', '127.0.0.1',
            '--protected-mode', 'no', '--unixsocket', $self->socket,
            '--unixsocketperm', '777', '--dir', $self->dir, '--save', '',
            '--appendonly', $self->{appendonly} ? 'yes' : 'no',
            '--daemonize', 'no', @{ $self->{args} }, @more]);
}

sub start {
    my ($self) = @_;
    $self->launch;
    my $last = '';
    my $up = DRS::Proc::wait_until(60, sub {
        return 1 if eval { $self->cmd('PING') eq 'PONG' };
        $last = $@;
        return 0;
    });
    die "redis is not up: $last" unless $up;
    $running{ $self->dir } = $self;
    $self->restrict if $ENV{DRS_ACL};
    return $self;
}

# The least that a user of Redis needs, as the documentation tells it.
sub least_acl {
    my $text = DRS::Httpd::slurp("$FindBin::Bin/../docs/redis-layout.md");
    my ($rule) = $text =~ /^    ACL SETUSER drs (.*?)\n\n/ms
        or die 'docs/redis-layout.md has no ACL';
    return split ' ', $rule;
}

# With DRS_ACL=1 the module enters as that user, in all tests; they use more
# prefixes than one.
sub restrict {
    my ($self) = @_;
    return if defined $self->{pass};
    $self->cmd('ACL', 'SETUSER', 'drs', '+select',
        map { /^~/ ? '~*' : s/^>\K.*/least/r } least_acl());
    open my $out, '>', "$self->{dir}/password" or die "password: $!";
    chmod 0600, "$self->{dir}/password";
    print {$out} "least\n";
    close $out;
    $self->{credentials} = "DRSessionCredentials drs "
        . "file:$self->{dir}/password\n";
}

sub stop {
    my ($self) = @_;
    return unless $self->{pid};
    kill 'CONT', $self->{pid};
    $self->disconnect;
    delete $running{ $self->dir };
    DRS::Proc::stop(delete $self->{pid});
}

sub kill9 {
    my ($self) = @_;
    return unless $self->{pid};
    $self->disconnect;
    delete $running{ $self->dir };
    DRS::Proc::stop(delete $self->{pid}, 'KILL');
}

sub restart { my ($self) = @_; $self->stop; return $self->start }

# Stop and go on like a machine that hangs.
sub hang   { kill 'STOP', $_[0]{pid} }
sub resume { kill 'CONT', $_[0]{pid} }

sub disconnect { delete $_[0]{link} }

sub link_up {
    my ($self) = @_;
    my $link = $self->{link};
    return $link->{socket} if $link && $link->{owner} == $$;
    my $socket = IO::Socket::UNIX->new(Peer => $self->socket)
        // IO::Socket::INET->new(PeerAddr => '127.0.0.1',
                                 PeerPort => $self->port, Timeout => 5)
        // die "cannot reach redis: $!\n";
    binmode $socket;
    $self->{link} = { socket => $socket, owner => $$ };
    if (defined $self->{pass}) {
        talk($socket, 'AUTH', grep { defined } @$self{qw(user pass)});
    }
    return $socket;
}

# One command, one reply: a scalar, undef for nil, an array reference.
# Errors die with their text.
sub cmd {
    my ($self, @argv) = @_;
    my @reply = eval { talk($self->link_up, @argv) };
    return $reply[0] unless $@;
    my $error = $@;
    $self->disconnect if $error =~ /^closed/;
    die $error;
}

sub talk {
    my ($socket, @argv) = @_;
    my $out = '*' . @argv . "\r\n";
    for my $word (@argv) {
        my $bytes = "$word";
        utf8::encode($bytes) if utf8::is_utf8($bytes);
        $out .= '$' . length($bytes) . "\r\n$bytes\r\n";
    }
    local $SIG{PIPE} = 'IGNORE';
    print {$socket} $out or die "closed by redis\n";
    $socket->flush;
    return read_reply($socket);
}

sub read_reply {
    my ($socket) = @_;
    my $line = readline($socket) // die "closed by redis\n";
    $line =~ s/\r\n\z//;
    my ($type, $rest) = (substr($line, 0, 1), substr($line, 1));
    die "$rest\n" if $type eq '-';
    return $rest if $type eq '+' || $type eq ':';
    return undef if $rest < 0;
    if ($type eq '*') {
        return [map { read_reply($socket) } 1 .. $rest];
    }
    read($socket, my $bytes, $rest + 2) == $rest + 2
        or die "closed by redis\n";
    return substr $bytes, 0, $rest;
}

# One line of INFO, as `stat('total_reads_processed')`; with a second
# argument the part of a compound value, as ('cmdstat_hget', 'calls').
sub stat {
    my ($self, $name, $part) = @_;
    my ($value) = $self->cmd('INFO', 'all') =~ /^\Q$name\E:([^\r\n]*)/m;
    return $value unless defined $part;
    return 0 unless defined $value;
    return $value =~ /(?:^|,)\Q$part\E=([^,]*)/ ? $1 : 0;
}

# How many commands others sent while a piece of work ran. INFO itself is
# counted once: the one that begins the span.
sub count_commands {
    my ($self, $work) = @_;
    my $before = $self->stat('total_commands_processed');
    $work->();
    return $self->stat('total_commands_processed') - $before - 1;
}

# How many times Redis was handed bytes: pipelined commands are one read.
sub count_reads {
    my ($self, $work) = @_;
    my $before = $self->stat('total_reads_processed');
    $work->();
    return $self->stat('total_reads_processed') - $before - 1;
}

1;
