# SPDX-License-Identifier: MIT
# One HTTP/2 connection of t/lib/streams.py: requests that are open at once.
package DRS::H2;
use strict;
use warnings;
use DRS::Proc;
use FindBin;
use IPC::Open2;
use JSON::PP ();

my $json = JSON::PP->new->latin1;

# The one that has Debian's packages, whatever else PATH finds first.
my $python = '/usr/bin/python3';

# Whether there is a client; the text says what is missing.
sub missing {
    return 'no python3-h2'
        if system("$python -c 'import h2.connection' >/dev/null 2>&1") != 0;
    return undef;
}

sub new {
    my ($class, $port) = @_;
    my $pid = open2(my $out, my $in, $python, "$FindBin::Bin/lib/streams.py",
        $port);
    my $self = bless { pid => $pid, in => $in, out => $out, owner => $$ },
        $class;
    $self->{streams} = readline($out) // die "no HTTP/2 connection\n";
    return $self;
}

# How many streams the server lets a client have open.
sub streams { return 0 + $_[0]{streams} }

# Requests as streams.py takes them: answers in their order, like DRS::Http's.
sub round {
    my ($self, @requests) = @_;
    local $SIG{PIPE} = 'IGNORE';
    print { $self->{in} } $json->encode(\@requests), "\n";
    $self->{in}->flush;
    return @{ $json->decode(readline($self->{out})
        // die "the HTTP/2 connection ended\n") };
}

sub DESTROY {
    my ($self) = @_;
    return if $self->{owner} != $$;
    local $?;
    close $self->{in};
    DRS::Proc::stop($self->{pid});
}

1;
