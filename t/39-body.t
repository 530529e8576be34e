#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# Bodies that do not come whole: nothing of them is stored, the status says
# why, and what follows on the connection is not taken for a request.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/lib";
use DRS;
use IO::Socket::INET;
use Test::More;

needs('reqtimeout');
my $redis = start_redis();
my $httpd = start_httpd(redis => $redis, modules => ['reqtimeout'],
    conf => <<'CONF');
RequestReadTimeout body=1
DRSession On
<Location /s>
    SetHandler drsession
    DRSessionAllow read *
    DRSessionAllow write *
</Location>
<Location /small>
    SetHandler drsession
    DRSessionAllow write *
    LimitRequestBody 10
</Location>
<Location /tiny>
    SetHandler drsession
    DRSessionAllow write *
    DRSessionLimit value=20
</Location>
CONF

my $jar = jar();
$httpd->request('PUT', '/s/a', jar => $jar, body => '1');
my $head = "HTTP/1.1\r\nHost: x\r\nCookie: drsession=" . $jar->id . "\r\n";
my $next = "GET /s/a $head\r\n";

# The statuses of all responses to some bytes, after which no more come.
sub statuses {
    my ($bytes, $wait) = @_;
    my $link = IO::Socket::INET->new(PeerAddr => '127.0.0.1',
        PeerPort => $httpd->port, Timeout => 10) // die "httpd: $!";
    print {$link} $bytes;
    $link->flush;
    shutdown $link, 1 unless $wait;
    local $/;
    my $text = readline($link) // '';
    return join ' ', $text =~ m{HTTP/1\.1 (\d+) }g;
}

# The first 20 bytes of it are JSON, what follows is blank.
my $padded = '{"a":7}' . ' ' x 93;
is statuses("PATCH /tiny/ ${head}Transfer-Encoding: chunked\r\n\r\n"
    . "64\r\n$padded\r\n0\r\n\r\n"), 413, 'an object over DRSessionLimit';

my $long = '7' x 20;
is statuses("PUT /small/a ${head}Content-Length: 20\r\n\r\n$long$next"),
    413, 'a body over LimitRequestBody';
is statuses("PUT /small/a ${head}Transfer-Encoding: chunked\r\n\r\n"
    . "14\r\n$long\r\n0\r\n\r\n$next"), 413, 'in chunks';
is statuses("PUT /s/a ${head}Content-Length: 4\r\n\r\n77"), 400,
    'a body that ends too early';
is statuses("PUT /s/a ${head}Content-Length: 4\r\n\r\n77", 'wait'), 408,
    'one that does not come in time';
is statuses("PUT /s/a ${head}Transfer-Encoding: chunked\r\n\r\n2\r\n77\r\n"),
    400, 'chunks without a last one';
is statuses("PUT /s/a ${head}Transfer-Encoding: chunked\r\n\r\n2\r\n77\r\n"
    . "zz\r\n\r\n$next"), 400, 'chunks with a bad one';
is statuses("PUT /s/a ${head}Sec-Fetch-Site: cross-site\r\n"
    . "Expect: 100-continue\r\nContent-Length: 2\r\n\r\n$next"), 403,
    'a body that is not asked for, and does not come';
is statuses("POST /s/n?incr=1 $head\r\n" x 5), '200 200 200 200 200',
    'five requests in one go';
is $redis->cmd(HGET => 'drsession:' . $jar->id, 'a'), 1, 'nothing was stored';
is $redis->cmd(HGET => 'drsession:' . $jar->id, 'n'), 5, 'five were counted';
error_log_is_clean($httpd, qr/AH01588|AH01589|AH01590|AH10253|AH02898/);
done_testing;
