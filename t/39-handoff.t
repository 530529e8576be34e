#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# The expiry of a child's section is applied when the request ends, wherever
# the request went on to.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/lib";
use DRS;
use Test::More;

needs(qw(include));
my $redis = start_redis();
my $write = "#!$^X\n" . <<'CGI';
use IO::Socket::UNIX;
my ($path) = $ENV{DRSESSION_URL} =~ m{^unix://([^?]+)};
my $s = IO::Socket::UNIX->new($path) or die;
my @c = ('HSET', $ENV{DRSESSION_KEY}, 'a', '1');
print $s '*' . @c . "\r\n", map { '$' . length($_) . "\r\n$_\r\n" } @c;
$s->flush;
readline $s;
print $ENV{QUERY_STRING} eq 'go' ? "Location: /done/p.txt\r\n\r\n"
    : $ENV{QUERY_STRING} eq '404' ? "Status: 404 No\r\nContent-Type: text/plain\r\n\r\nx" : "Content-Type: text/plain\r\n\r\nok\n";
CGI
my $httpd = start_httpd(redis => $redis, cgi => { write => $write },
    docs => { 'done/p.txt' => 'done', 'page.shtml' =>
        '<!--#include virtual="/cgi/write" --><!--#include virtual="/done/p.txt" -->'
      }, conf => <<'CONF');
DRSession On
<LocationMatch "^/(?:cgi|page.shtml)">
    DRSessionChildAccess On
    DRSessionIdle 1h
</LocationMatch>
<Location /done>
    DRSessionExport a
</Location>
CONF
for my $path ('/cgi/write', '/cgi/write?go', '/page.shtml') {
    my $jar = jar();
    my $r = $httpd->get($path, jar => $jar);
    is $r->{status}, 200, $path;
    my $key = 'drsession:' . $jar->id;
    is $redis->cmd('HGET', $key, 'a'), 1, 'written';
    ok wait_until(10, sub { $redis->cmd('PTTL', $key) > 0 }), "$path: the key has its expiry"
        or diag $redis->cmd('PTTL', $key);
}
error_log_is_clean($httpd);
done_testing;
