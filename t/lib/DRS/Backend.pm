# SPDX-License-Identifier: MIT
# The backend of t/lib/backend.py for one test file: it ends with the pipe
# that this object holds.
package DRS::Backend;
use strict;
use warnings;
use DRS::Proc;
use FindBin;
use IPC::Open2;

sub new {
    my ($class) = @_;
    my $pid = open2(my $out, my $in, 'python3',
        "$FindBin::Bin/lib/backend.py");
    my %port;
    @port{qw(http fcgi scgi uwsgi)} = split ' ', readline($out) // '';
    die "no backend\n" unless $port{uwsgi};
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
