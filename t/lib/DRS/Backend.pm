# SPDX-License-Identifier: MIT
# A backend of t/lib for one test file: it ends with the pipe that this
# object holds.
package DRS::Backend;
use strict;
use warnings;
use DRS::Proc;
use FindBin;
use IPC::Open2;

# What listens, in the order in which the program prints its ports.
my %schemes = (
    'backend.py'   => [qw(http fcgi scgi uwsgi)],
    'responder.py' => ['fcgi'],
);

# options: program of t/lib, python to run it.
sub new {
    my ($class, %opt) = @_;
    my $program = $opt{program} // 'backend.py';
    my $pid = open2(my $out, my $in, $opt{python} // 'python3', '-B',
        "$FindBin::Bin/lib/$program");
    my %port;
    @port{ @{ $schemes{$program} } } = split ' ', readline($out) // '';
    die "no backend\n" if grep { !defined } values %port;
    return bless { pid => $pid, pipe => $in, port => \%port, owner => $$ },
        $class;
}

# The url for ProxyPass: of http, fcgi, scgi or uwsgi.
sub url { my ($self, $scheme) = @_;
    return "$scheme://127.0.0.1:$self->{port}{$scheme}" }

sub DESTROY {
    my ($self) = @_;
    return if $self->{owner} != $$;
    local $?;
    close $self->{pipe};
    DRS::Proc::stop($self->{pid});
}

1;
