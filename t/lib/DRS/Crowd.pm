# SPDX-License-Identifier: MIT
# Many clients in one process, each on a connection that it keeps. A crowd
# waits for its answers and thinks; a probe asks at fixed times, and measures
# from the time when it should have asked, so that a server that stands still
# is seen for as long as it does.
package DRS::Crowd;
use strict;
use warnings;
use IO::Socket::INET;
use POSIX ();
use Socket qw(IPPROTO_TCP TCP_NODELAY);
use Time::HiRes qw(time);

# options: port, clients, seconds, every: seconds between two requests of one
# client; requests: texts, taken in turn by client; probe => 1. Returns a
# hash of status => how often, times => [seconds of each] and at => [when each
# was asked, since the start].
sub run {
    my (%opt) = @_;
    my $start = time;
    my $end = $start + $opt{seconds};
    my @links = map { {
        text => $opt{requests}[$_ % @{ $opt{requests} }],
        next => $start + $opt{every} * $_ / $opt{clients},
    } } 0 .. $opt{clients} - 1;
    my %by_fd;
    my $waiting = '';
    my %sum = (times => [], at => [], start => $start);
    local $SIG{PIPE} = 'IGNORE';
    while (1) {
        my $now = time;
        # What is under way at the end counts as well, for a while.
        last if $now > $end + 5
            || $now > $end && !grep { $_->{asked} } @links;
        my $soon = $now + 0.1;
        for my $link (@links) {
            my $again = delete $link->{again};
            next if !$again && ($link->{asked} || $link->{next} >= $end);
            if ($again || $link->{next} <= $now) {
                connect_link($link, $opt{port}, \%by_fd) unless $link->{fd};
                syswrite $link->{socket}, $link->{text};
                $link->{asked} = $opt{probe} ? $link->{next} : $now
                    unless $again;
                $link->{in} = '';
                vec($waiting, $link->{fd}, 1) = 1;
            }
            elsif ($link->{next} < $soon) {
                $soon = $link->{next};
            }
        }
        my $left = $soon - time;
        my $n = select my $ready = $waiting, undef, undef,
            $left > 0 ? $left : 0;
        next unless $n > 0;
        for my $fd (grep { vec $ready, $_, 1 } keys %by_fd) {
            take($by_fd{$fd}, \%sum, \%opt) or next;
            vec($waiting, $fd, 1) = 0;
            delete $by_fd{$fd} unless $by_fd{$fd}{socket};
        }
    }
    $sum{unanswered} = grep { $_->{asked} } @links;
    return \%sum;
}

sub connect_link {
    my ($link, $port, $by_fd) = @_;
    $link->{socket} = IO::Socket::INET->new(PeerAddr => '127.0.0.1',
        PeerPort => $port, Timeout => 10) // die "cannot connect: $!\n";
    setsockopt $link->{socket}, IPPROTO_TCP, TCP_NODELAY, 1;
    $link->{fd} = fileno $link->{socket};
    $by_fd->{ $link->{fd} } = $link;
}

# Read on; true when the answer is whole or will never be.
sub take {
    my ($link, $sum, $opt) = @_;
    my $n = sysread $link->{socket}, $link->{in}, 65536, length $link->{in};
    my $head = 4 + index $link->{in}, "\r\n\r\n";
    my ($body) = $link->{in} =~ /^Content-Length: (\d+)/mi;
    my $whole = $head > 3 && defined $body
        && length($link->{in}) >= $head + $body;
    return 0 if $n && !$whole;
    # A kept connection that httpd closes meanwhile is nothing to a browser.
    if (!$n && $link->{in} eq '' && $link->{kept}) {
        delete @$link{qw(socket fd kept)};
        $link->{again} = 1;
        return 1;
    }
    $link->{kept} = 1;
    my $status = $whole ? substr $link->{in}, 9, 3 : 'lost';
    my $now = time;
    $sum->{$status}++;
    push @{ $sum->{times} }, $now - $link->{asked};
    push @{ $sum->{at} }, $link->{asked} - $sum->{start};
    if (!$n || $link->{in} =~ /^Connection: close/mi) {
        delete @$link{qw(socket fd kept)};
    }
    $link->{next} = ($opt->{probe} ? $link->{next} : $now) + $opt->{every};
    delete $link->{asked};
    return 1;
}

# The value that so many of a hundred are not above.
sub percentile {
    my ($times, $percent) = @_;
    my @sorted = sort { $a <=> $b } @$times;
    return $sorted[POSIX::ceil(@sorted * $percent / 100) - 1];
}

1;
