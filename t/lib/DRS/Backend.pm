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
    my ($http, $fcgi) = split ' ', readline($out) // '';
    die "no backend\n" unless $fcgi;
    return bless { pid => $pid, pipe => $in, http => $http, fcgi => $fcgi,
        owner => $$ }, $class;
}

sub http { "http://127.0.0.1:$_[0]{http}" }
sub fcgi { "fcgi://127.0.0.1:$_[0]{fcgi}" }

sub DESTROY {
    my ($self) = @_;
    return if $self->{owner} != $$;
    local $?;
    close $self->{pipe};
    DRS::Proc::stop($self->{pid});
}

1;
