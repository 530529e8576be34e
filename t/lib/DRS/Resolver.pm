# SPDX-License-Identifier: MIT
# A name server that knows one address, 127.0.0.1 for every name, and tells
# it, tells it late, or is silent. For a process in a mount and a network
# namespace of its own: it takes port 53 and /etc/resolv.conf.
package DRS::Resolver;
use strict;
use warnings;
use Cwd ();
use DRS::Proc;
use File::Temp qw(tempdir);
use IO::Socket::INET;
use POSIX ();
use Time::HiRes qw(sleep);

sub new {
    my ($class) = @_;
    my $dir = tempdir('drs-names-XXXXXX', TMPDIR => 1, CLEANUP => 1);
    write_to("$dir/resolv.conf", "nameserver 127.0.0.1\n"
        . "options timeout:1 attempts:1\n");
    chmod 0755, $dir;
    # So that no mount of ours is seen outside.
    system('mount', '--make-rprivate', '/') == 0
        && system('mount', '--bind', "$dir/resolv.conf",
            readlink_all('/etc/resolv.conf')) == 0
        or die "no resolv.conf of our own\n";
    my $self = bless { dir => $dir }, $class;
    $self->be('there');
    my $socket = IO::Socket::INET->new(Proto => 'udp', LocalPort => 53,
        LocalAddr => '127.0.0.1') // die "port 53: $!\n";
    $self->{pid} = fork // die "fork: $!";
    if ($self->{pid} == 0) {
        $SIG{$_} = 'DEFAULT' for qw(INT TERM HUP);
        $self->answer($socket) while 1;
    }
    $self->{owner} = $$;
    return $self;
}

sub readlink_all {
    my ($path) = @_;
    my $real = Cwd::realpath($path);
    return defined $real && -e $real ? $real : $path;
}

sub write_to {
    my ($path, $text) = @_;
    open my $out, '>', $path or die "$path: $!";
    print {$out} $text;
    close $out;
}

# there, slow or silent.
sub be { my ($self, $how) = @_; write_to("$self->{dir}/how", $how) }

sub answer {
    my ($self, $socket) = @_;
    my $from = $socket->recv(my $query, 1500) // return;
    open my $in, '<', "$self->{dir}/how" or return;
    my $how = readline($in) // 'silent';
    return if $how eq 'silent';
    sleep 0.2 if $how eq 'slow';
    my ($id) = unpack 'n', $query;
    my ($name) = substr($query, 12) =~ /\A((?:[\x01-\x3f][^\0]*?)?\0)/s;
    my $type = unpack 'n', substr $query, 12 + length $name, 2;
    my $question = substr $query, 12, length($name) + 4;
    my $record = $type == 1
        ? pack('nnnNn C4', 0xc00c, 1, 1, 1, 4, 127, 0, 0, 1) : '';
    $socket->send(pack('n6', $id, 0x8180, 1, $type == 1 ? 1 : 0, 0, 0)
        . $question . $record, 0, $from);
}

sub DESTROY {
    my ($self) = @_;
    return unless $self->{owner} && $self->{owner} == $$;
    local ($?, $@, $!);
    DRS::Proc::stop($self->{pid}, 'KILL');
}

1;
