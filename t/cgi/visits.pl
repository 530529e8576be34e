#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# Live access from Perl: what visits.sh does, over a plain socket. It sets no
# expiry: httpd does that when the program has ended.
use strict;
use warnings;
use IO::Socket::INET;
use IO::Socket::UNIX;
use JSON::PP;

my $json  = JSON::PP->new->utf8->allow_nonref;
my $key   = $ENV{DRSESSION_KEY};
my $name  = $ENV{QUERY_STRING} // '';
my $redis = $ENV{DRSESSION_URL} =~ m{\Aunix://([^?]+)}
    ? IO::Socket::UNIX->new(Peer => $1)
    : $ENV{DRSESSION_URL} =~ m{\Aredis://([^/]+)}
    ? IO::Socket::INET->new(PeerAddr => $1, Timeout => 2)
    : undef;

# One command, one reply; nil is undef.
sub redis {
    print {$redis} '*', scalar @_, "\r\n",
        map { '$' . length($_) . "\r\n$_\r\n" } @_;
    $redis->flush;
    my $line = readline($redis) // die "closed\n";
    $line =~ s/\r\n\z//;
    return $1 if $line =~ /\A[:+](.*)/;
    my ($length) = $line =~ /\A\$(-?\d+)\z/ or die "$line\n";
    return undef if $length < 0;
    read($redis, my $bytes, $length + 2) == $length + 2 or die "closed\n";
    return substr $bytes, 0, $length;
}

my $text = eval {
    die "no connection\n" unless $redis;
    die "the session has ended\n"
        if $ENV{DRSESSION_STATUS} eq 'live' && !redis('EXISTS', $key);
    my $visits = redis('HINCRBY', $key, 'visits', 1);
    redis('HSET', $key, 'name', $json->encode($name)) if $name ne '';
    my $held = redis('HGET', $key, 'name');
    "\r\nVisit $visits of "
        . (defined $held ? $json->decode($held) : 'stranger') . ".\n";
} // "Status: 503\r\n\r\nTry again.\n";
print "Content-Type: text/plain\r\n$text";
