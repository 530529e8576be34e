# SPDX-License-Identifier: MIT
# A proxy in front of Redis that tells the truth until it is told otherwise:
# it drips, swallows, cuts, answers for Redis or goes deaf. One process, all
# connections; what it does is changed while they are open.
package DRS::Liar;
use strict;
use warnings;
use DRS::Proc;
use IO::Handle;
use IO::Select;
use IO::Socket::INET;
use JSON::PP;
use POSIX ();
use Socket qw(AF_UNIX SOCK_STREAM PF_UNSPEC IPPROTO_TCP TCP_NODELAY);
use Time::HiRes qw(time);

# port: of the Redis behind it.
sub new {
    my ($class, %opt) = @_;
    my $listen = IO::Socket::INET->new(LocalAddr => '127.0.0.1', Listen => 128,
        ReuseAddr => 1) // die "liar: $!";
    socketpair my $ours, my $theirs, AF_UNIX, SOCK_STREAM, PF_UNSPEC
        or die "socketpair: $!";
    my $pid = fork // die "fork: $!";
    if ($pid == 0) {
        $SIG{$_} = 'DEFAULT' for qw(INT TERM HUP);
        $SIG{PIPE} = 'IGNORE';
        close $ours;
        my $self = bless { listen => $listen, told => $theirs,
            behind => $opt{port}, mode => ['pass'], links => [] }, $class;
        eval { $self->run };
        print STDERR "liar: $@" if $@;
        POSIX::_exit(0);
    }
    close $theirs;
    $ours->autoflush(1);
    return bless { tell => $ours, pid => $pid, owner => $$,
        port => $listen->sockport }, $class;
}

sub port { $_[0]{port} }
sub url  { "redis://127.0.0.1:$_[0]{port}" }

#   pass              tell the truth
#   delay MS          each answer MS later
#   drip MS           each byte of an answer MS after the one before
#   hole              swallow what the client says
#   cut K, hush K     the first K bytes of an answer, then the end or silence
#   extra BYTES       behind each answer
#   say BYTES         for each answer; say_end BYTES: once, and close
#   flood BYTES       these, and then bytes without end
#   deaf              the connections there are hear and say nothing any more
# Returns how many connections are open.
sub mode {
    my ($self, @mode) = @_;
    print { $self->{tell} } encode_json(\@mode) . "\n";
    return 0 + readline $self->{tell};
}

sub stop {
    my ($self) = @_;
    return unless $self->{pid} && $self->{owner} == $$;
    close $self->{tell};
    DRS::Proc::stop(delete $self->{pid}, 'KILL');
}

sub DESTROY { local ($?, $@, $!); $_[0]->stop }

# From here on in the proxy's process.

sub run {
    my ($self) = @_;
    while (1) {
        my $in = IO::Select->new($self->{listen}, $self->{told});
        my $out = IO::Select->new;
        my $now = time;
        my $wait = 1;
        for my $link (grep { !$_->{deaf} } @{ $self->{links} }) {
            $in->add(grep { defined } @$link{qw(client redis)});
            my $due = $link->{due}[0] or next;
            my $left = $due->[0] - $now;
            $wait = $left if $left < $wait;
            $out->add($link->{client}) if $left <= 0;
        }
        $wait = 0 if $wait < 0;
        my ($readable, $writable)
            = IO::Select::select($in, $out, undef, $wait);
        my %ready = map { fileno($_) => 1 } @{ $readable // [] };
        $self->speak($_) for grep { my $fd = fileno $_->{client};
            grep { fileno($_) == $fd } @{ $writable // [] } }
            @{ $self->{links} };
        $self->hear($_, \%ready) for @{ $self->{links} };
        @{ $self->{links} } = grep { $_->{client} } @{ $self->{links} };
        if ($ready{ fileno $self->{listen} }) {
            $self->accept;
        }
        if ($ready{ fileno $self->{told} }) {
            my $line = readline($self->{told}) // return;
            $self->{mode} = decode_json($line);
            if ($self->{mode}[0] eq 'deaf') {
                $_->{deaf} = 1 for @{ $self->{links} };
                $self->{mode} = ['pass'];
            }
            syswrite $self->{told}, @{ $self->{links} } . "\n";
        }
    }
}

sub accept {
    my ($self) = @_;
    my $client = $self->{listen}->accept or return;
    setsockopt $client, IPPROTO_TCP, TCP_NODELAY, 1;
    my $redis = IO::Socket::INET->new(PeerAddr => '127.0.0.1',
        PeerPort => $self->{behind});
    setsockopt $redis, IPPROTO_TCP, TCP_NODELAY, 1 if $redis;
    push @{ $self->{links} },
        { client => $client, redis => $redis, due => [] };
}

sub end {
    my ($link) = @_;
    close $link->{$_} for grep { defined $link->{$_} } qw(client redis);
    delete @$link{qw(client redis)};
}

# Bytes for the client, at a time; undef for the end.
sub queue {
    my ($link, $bytes, $after, $step) = @_;
    my $at = time + ($after // 0) / 1000;
    if (!defined $bytes || !$step) {
        push @{ $link->{due} }, [$at, $bytes];
        return;
    }
    for my $byte (split //, $bytes) {
        $at += $step / 1000;
        push @{ $link->{due} }, [$at, $byte];
    }
}

sub speak {
    my ($self, $link) = @_;
    while (my $due = $link->{due}[0]) {
        return if $due->[0] > time;
        return end($link) unless defined $due->[1];
        my $n = syswrite $link->{client}, $due->[1];
        return end($link) unless defined $n;
        shift @{ $link->{due} } unless $due->[2];
        return if $due->[2];
    }
}

sub hear {
    my ($self, $link, $ready) = @_;
    return if $link->{deaf} || !$link->{client};
    my ($mode, $what) = @{ $self->{mode} };
    if ($ready->{ fileno $link->{client} }) {
        return end($link)
            unless sysread $link->{client}, my $asked, 1 << 20;
        if ($mode =~ /^(?:say|say_end|flood)$/) {
            my $n = () = $asked =~ /(?:\A|\r\n)\*\d+\r\n\$/g;
            queue($link, $what x ($mode eq 'say' ? $n : 1));
            queue($link, undef) if $mode eq 'say_end';
            push @{ $link->{due} }, [time, 'x' x 65536, 1]
                if $mode eq 'flood';
        }
        elsif ($mode ne 'hole') {
            return end($link) unless $link->{redis};
            syswrite $link->{redis}, $asked;
        }
    }
    $self->pass_answer($link, $mode, $what)
        if $link->{redis} && $ready->{ fileno $link->{redis} };
}

sub pass_answer {
    my ($self, $link, $mode, $what) = @_;
    if (!sysread $link->{redis}, my $answer, 1 << 20) {
        close delete $link->{redis};
        queue($link, undef);
    }
    elsif ($link->{hushed} || $mode =~ /^(?:hole|say|say_end|flood)$/) {
        return;
    }
    elsif ($mode eq 'cut' || $mode eq 'hush') {
        queue($link, substr $answer, 0, $what) if $what;
        queue($link, undef) if $mode eq 'cut';
        $link->{hushed} = 1;
    }
    else {
        $answer .= $what if $mode eq 'extra';
        queue($link, $answer, $mode eq 'delay' ? $what : 0,
            $mode eq 'drip' ? $what : 0);
    }
}

1;
