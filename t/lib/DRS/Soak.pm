# SPDX-License-Identifier: MIT
# httpd under the load of clients that keep their connections, for graceful
# restarts and restarts of Redis while they work. Each client has a session
# of its own and goes through all doors in turn; since nobody else writes
# there, it knows what each answer has to be. Between restarts all pause, so
# that what should have come back to where it was can be counted.
#
# A client repeats a request only when a connection that was in use before
# was closed before a byte of the answer came, as RFC 9112 section 9.3.1
# lets it; that is counted. The repeated increment may have been done twice:
# from then on two answers are right.
package DRS::Soak;
use strict;
use warnings;
use DRS::Http;
use DRS::Httpd;
use DRS::Proc;
use DRS::Redis;
use File::Temp qw(tempdir);
use FindBin;
use JSON::PP ();
use POSIX ();
use Time::HiRes qw(sleep time);

my $json = JSON::PP->new->allow_nonref->canonical;

# A CGI program costs as much as ten other requests.
my %doors = (
    module  => ['static', ('c', 'rest', 'lua', 'ssi') x 4, 'cgi', 'header'],
    control => [('static', 'ssi') x 8, 'cgi'],
);

# options: mpm, clients, control => 1 leaves our module out.
sub new {
    my ($class, %opt) = @_;
    my $self = bless { mpm => 'event', clients => 4, %opt, rows => [],
        windows => [], dir => tempdir('drs-soak-XXXXXX', TMPDIR => 1,
            CLEANUP => 1) }, $class;
    $self->{redis} = DRS::Redis->new(appendonly => 1) unless $opt{control};
    $self->{httpd} = $self->make_httpd;
    $self->start_clients;
    return $self;
}

sub make_httpd {
    my ($self) = @_;
    my $home = DRS::Httpd::lua_home();
    $self->{lua} = !$self->{control} && defined $home;
    my $conf = $self->{control} ? '' : <<'CONF';
DRSession On
DRSessionIdle 1h
DRSessionTimeout connect=2s command=5s request=10s
DRSessionPool wait=5s
<Location /session>
    SetHandler drsession
    DRSessionAllow read *
    DRSessionAllow write *
</Location>
<LocationMatch "^/(?:cgi/env|page.shtml)">
    DRSessionExport c
</LocationMatch>
<Location /cgi/visit>
    DRSessionHeader On
</Location>
CONF
    $conf .= <<"CONF" if $self->{lua};
LuaPackageCPath $home/?.so
<FilesMatch "\\.lua\$">
    SetHandler lua-script
</FilesMatch>
CONF
    my $env = "#!/bin/sh\nprintf 'Content-Type: text/plain\\r\\n\\r\\n"
        . "[%s]' \"\$DRSESSION_c\"\n";
    my $visit = "#!/bin/sh\nprintf 'Content-Type: text/plain\\r\\n"
        . "DRSession: incr header 1\\r\\n\\r\\nvisited'\n";
    return DRS::Httpd->new(mpm => $self->{mpm}, redis => $self->{redis},
        kind => 'tcp', plain => $self->{control} ? 1 : 0,
        modules => $self->{lua} ? ['lua'] : [],
        conf => "KeepAliveTimeout 3\n$conf",
        cgi => { env => $env, visit => $visit },
        docs => { 'page.txt' => 'static',
            'page.shtml' => '[<!--#echo encoding="none"'
                . ' var="DRSESSION_c" -->]',
            'count.lua' => <<'LUA' });
local drsession = require "drsession"
function handle(r)
    r:puts(drsession.incr(drsession.open(r), "lua"))
    return apache2.OK
end
LUA
}

# What the main process wants of the clients stands in files.
sub flag { return "$_[0]{dir}/$_[1]" }
sub raise {
    my ($self, $name) = @_;
    open my $out, '>', $self->flag($name) or die "$name: $!";
}

sub start_clients {
    my ($self) = @_;
    $self->raise('pause');
    $self->{owner} = $$;
    for my $k (0 .. $self->{clients} - 1) {
        my $pid = fork // die "fork: $!";
        push @{ $self->{pids} }, $pid;
        next if $pid;
        my $told = eval { $self->be_client($k) };
        $told //= { failed => [[time, 'client', "$@"]] };
        open my $out, '>', $self->flag("told.$k");
        print {$out} $json->encode($told);
        close $out;
        POSIX::_exit(0);
    }
}

# A client must not outlive the test.
sub has_ended {
    my ($self) = @_;
    return -e $self->flag('stop') || getppid != $self->{owner};
}

sub be_client {
    my ($self, $k) = @_;
    my $me = { http => DRS::Http->new(port => $self->{httpd}->port,
                                      timeout => 20),
        jar => DRS::Jar->new, sure => {}, doubt => {}, done => {},
        failed => [] };
    my @doors = grep { $_ ne 'lua' || $self->{lua} }
        @{ $doors{ $self->{control} ? 'control' : 'module' } };
    srand $k;
    for (my $i = $k; !$self->has_ended; $i++) {
        if (-e $self->flag('pause')) {
            delete $me->{http}{link};
            $self->raise("idle.$k");
            sleep 0.02 while -e $self->flag('pause') && !$self->has_ended;
            unlink $self->flag("idle.$k");
            next;
        }
        $self->go_through($me, $doors[$i % @doors]);
        sleep rand 0.01 if $i % 3 == 0;
    }
    return { repeats => $me->{http}{repeats} // 0, key => $me->{jar}->id,
        map { $_ => $me->{$_} } qw(done failed sure doubt) };
}

# Methods and paths; what counts, counts in the field of its door.
my %request = (
    static => ['GET',  '/page.txt'],
    ssi    => ['GET',  '/page.shtml'],
    cgi    => ['GET',  '/cgi/env'],
    c      => ['POST', '/drs', body => "incr c 1\n"],
    rest   => ['POST', '/session/rest?incr=1'],
    lua    => ['GET',  '/count.lua'],
    header => ['GET',  '/cgi/visit'],
);

sub go_through {
    my ($self, $me, $door) = @_;
    my $start = time;
    my $before = $me->{http}{repeats} // 0;
    my $counts = $door =~ /^(?:c|rest|lua|header)$/;
    my $id = $me->{jar}->id;
    my $r = eval { $me->{http}->request(@{ $request{$door} },
                                        jar => $me->{jar}) };
    my $error = $@;
    $me->{doubt}{$door}++ if $counts && ($me->{http}{repeats} // 0) > $before;
    my $why = !$r ? "no answer: $error"
        : $r->{status} >= 500 ? "$r->{status} $r->{body}"
        : $r->{status} != 200 ? "status $r->{status}"
        : defined $id && $me->{jar}->id ne $id ? 'another session'
        : $self->judge($me, $door, $r->{body});
    if (defined $why) {
        $me->{doubt}{$door}++ if $counts;
        push @{ $me->{failed} }, [$start, $door, substr $why, 0, 200];
    }
    else {
        $me->{done}{$door}++;
    }
}

# Undef, or what is wrong with a body.
sub judge {
    my ($self, $me, $door, $body) = @_;
    return $body eq 'static' ? undef : "body $body" if $door eq 'static';
    if ($door =~ /^(?:ssi|cgi)$/) {
        $body =~ s/\(none\)//;    # mod_include's word
        return $body eq '[]' ? undef : "body $body" if $self->{control};
        return "body $body" unless $body =~ /\A\[(\d*)\]\z/;
        my $seen = $1 || 0;
        my $least = $me->{sure}{c} // 0;
        return $seen < $least || $seen > $least + ($me->{doubt}{c} // 0)
            ? "c is $seen and not $least" : undef;
    }
    my $now = ($me->{sure}{$door} // 0) + 1;
    if ($door eq 'header') {
        $me->{sure}{header} = $now;
        return $body eq 'visited' ? undef : "body $body";
    }
    return "body $body" unless $body =~ /\A(?:ok )?(\d+)\n?\z/;
    return "$door is $1 and not $now"
        if $1 < $now || $1 > $now + ($me->{doubt}{$door} // 0);
    $me->{sure}{$door} = $1;
    $me->{doubt}{$door} = 0;
    return undef;
}

sub resume { unlink $_[0]->flag('pause') }

# All clients pause, and httpd has nothing of theirs any more.
sub pause {
    my ($self) = @_;
    $self->raise('pause');
    DRS::Proc::wait_until(40, sub {
        !grep { !-e $self->flag("idle.$_") } 0 .. $self->{clients} - 1;
    }) or die "a client does not pause\n";
}

# Restart under load; returns once the old generation is gone.
sub graceful {
    my ($self) = @_;
    my @old = $self->{httpd}->children;
    $self->{httpd}->graceful or die "no graceful restart\n";
    $self->{old} = \@old;
}

sub restart_redis {
    my ($self) = @_;
    my $start = time;
    $self->{redis}->restart;
    push @{ $self->{windows} }, [$start, time + 2.5];
}

sub resident {
    my ($pid) = @_;
    return DRS::Httpd::slurp("/proc/$pid/status") =~ /^RssAnon:\s+(\d+)/m
        ? $1 : 0;
}

# inode => state of this machine's connections from (1) or to (2) a port.
sub sockets {
    my ($end, $port) = @_;
    my $hex = sprintf '0100007F:%04X', $port;
    return map { my @word = split; $word[$end] eq $hex ? @word[9, 3] : () }
        split /\n/, DRS::Httpd::slurp('/proc/net/tcp');
}

# Whether a connection of a client is neither closed (06) nor a listener (0A).
sub is_visited {
    my ($self) = @_;
    my %state = sockets(1, $self->{httpd}->port);
    return scalar grep { !/^0[6A]$/ } values %state;
}

sub descriptors {
    my ($pid, $redis) = @_;
    my ($own, $to_redis) = (0, 0);
    for my $path (glob "/proc/$pid/fd/*") {
        my $at = readlink $path // next;
        $at =~ /^socket:\[(\d+)\]/ && $redis->{$1} ? $to_redis++ : $own++;
    }
    return ($own, $to_redis);
}

# At rest: what there is, once no child of before is left.
sub rest {
    my ($self, $what) = @_;
    my %old = map { $_ => 1 } @{ delete $self->{old} // [] };
    my $gone = DRS::Proc::wait_until(60, sub {
        !$self->is_visited && !grep { $old{$_} } $self->{httpd}->children;
    });
    my %row = (what => $what, stay => $gone ? 0 : 1,
        parent_rss => resident($self->{httpd}->pid),
        parent_fds => (descriptors($self->{httpd}->pid, {}))[0]);
    my %redis = $self->{redis} ? sockets(2, $self->{redis}->port) : ();
    my (%own, @rss);
    $row{to_redis} = 0;
    for my $pid ($self->{httpd}->children) {
        my ($own, $to_redis) = descriptors($pid, \%redis);
        $own{$own}++;
        $row{to_redis} += $to_redis;
        push @rss, resident($pid);
    }
    $row{children} = @rss;
    $row{fds} = join '/', sort { $a <=> $b } keys %own;
    $row{clients} = $self->{redis}
        ? $self->{redis}->stat('connected_clients') - 1 : 0;
    $row{rss} = @rss ? (sort { $a <=> $b } @rss)[-1] : 0;
    push @{ $self->{rows} }, \%row;
    return \%row;
}

# End; adds up what the clients say. Failures while Redis was away are its.
sub finish {
    my ($self) = @_;
    $self->raise('stop');
    waitpid $_, 0 for @{ $self->{pids} };
    my %sum = (done => 0, repeats => 0, failed => [], away => 0, cgid => 0,
        by => {});
    # The daemon of mod_cgid is restarted as well, and may take a request
    # with it: httpd's own, with or without us, and it says so each time.
    my $cgid = () = $self->{httpd}->error_log =~ /\[cgid:error\]/g;
    for my $k (0 .. $self->{clients} - 1) {
        my $told = $json->decode(DRS::Httpd::slurp($self->flag("told.$k"))
            || '{"failed":[[0,"client","said nothing"]]}');
        $sum{repeats} += $told->{repeats} // 0;
        for my $door (keys %{ $told->{done} // {} }) {
            $sum{done} += $told->{done}{$door};
            $sum{by}{$door} += $told->{done}{$door};
        }
        for my $one (@{ $told->{failed} }) {
            my $excused = grep {
                $one->[0] > $_->[0] - 3 && $one->[0] < $_->[1]
            } @{ $self->{windows} };
            if ($excused && $one->[2] =~ /^503|^body (?:down|unsure)$|^500 .*>(?:down|unsure):/s) {
                $sum{away}++;
            }
            elsif ($one->[1] =~ /^(?:cgi|header)$/ && $sum{cgid} < $cgid
                   && $one->[2] =~ /^503 <!DOCTYPE/) {
                $sum{cgid}++;
            }
            else {
                push @{ $sum{failed} }, $one;
            }
        }
        push @{ $sum{failed} }, map { [0, $_, "Redis holds another sum"] }
            $self->miscounted($told);
    }
    return $self->{sum} = \%sum;
}

# What Redis holds is what was acknowledged, and of the rest no more than
# was tried.
sub miscounted {
    my ($self, $told) = @_;
    return () unless $self->{redis} && defined $told->{key};
    return grep {
        my $held = $self->{redis}->cmd('HGET', "drsession:$told->{key}", $_);
        my $sure = $told->{sure}{$_};
        ($held // 0) < $sure || $held > $sure + ($told->{doubt}{$_} // 0);
    } keys %{ $told->{sure} };
}

# What did not come back to where it was, in words.
sub odd {
    my ($self) = @_;
    my @odd;
    my ($first, @rows) = @{ $self->{rows} };
    for my $row ($first, @rows) {
        push @odd, 'an old generation stays' if $row->{stay};
        push @odd, "Redis has $row->{clients} clients, httpd "
            . "$row->{to_redis} connections"
            if $row->{clients} != $row->{to_redis};
        push @odd, "descriptors were $first->{$_}, are $row->{$_}"
            for grep { $row->{$_} ne $first->{$_} } qw(parent_fds fds);
    }
    return @odd;
}

# Lines of the error log that are no news, counted: without time and place.
sub remarks {
    my ($self) = @_;
    my %n;
    for ($self->{httpd}->unexpected) {
        s/\A\[[^\]]*\] //;
        s/\[(?:pid|client|remote) [^\]]*\] //g;
        s/\d+/N/g unless /\bAH\d+/;
        $n{ substr $_, 0, 120 }++;
    }
    return map { "$n{$_} x $_" } sort { $n{$b} <=> $n{$a} } keys %n;
}

# Growth in kB a restart of a column, by least squares.
sub slope {
    my ($self, $column) = @_;
    my @y = map { $_->{$column} } @{ $self->{rows} };
    splice @y, 0, int(@y / 5);
    return 0 if @y < 3;
    my $n = @y;
    my ($x, $y, $xx, $xy) = (0, 0, 0, 0);
    for my $i (0 .. $#y) {
        $x += $i;
        $y += $y[$i];
        $xx += $i * $i;
        $xy += $i * $y[$i];
    }
    return ($n * $xy - $x * $y) / ($n * $xx - $x * $x);
}

1;
