#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# Where a response has no body, and where several requests share one table
# of headers: what a backend says is done once, and of those only that may.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/lib";
use DRS;
use DRS::H2;
use Test::More;

needs('http2');
sub cgi { return "#!/bin/sh\n" . join '', map { "echo '$_'\n" } @_, '' }
my $redis = start_redis();
my $httpd = start_httpd(redis => $redis, modules => ['http2'], cgi => {
        'on/empty' => cgi('Status: 204', 'DRSession: set a 1'),
        'on/first' => cgi('DRSession: set first 1', 'Location: /cgi/off/b'),
        'off/b'    => cgi('DRSession: set evil 1', 'Location: /end.txt'),
    }, docs => { 'end.txt' => 'the end' }, conf => <<'CONF');
Protocols h2c http/1.1
DRSession On
<Location /cgi/on>
    DRSessionHeader On
</Location>
CONF

my $jar = jar();
$httpd->drs({ jar => $jar }, 'set user "me"');
my $key = 'drsession:' . $jar->id;
is $httpd->get('/cgi/on/first', jar => $jar)->{body}, 'the end',
    'two programs that send the request on';
is_deeply [sort @{ $redis->cmd(HKEYS => $key) }], [qw(first user)],
    'are heard where DRSessionHeader is On, and nowhere else';

SKIP: {
    my $missing = DRS::H2::missing();
    skip $missing, 2 if defined $missing;
    my $h2 = DRS::H2->new($httpd->port);
    my ($answer) = $h2->round({ path => '/cgi/on/empty' });
    is $answer->{status}, 204, 'a response without a body, over HTTP/2';
    like join("\n", map { "@$_" } @{ $answer->{headers} }),
        qr/^set-cookie drsession=/m, 'has the cookie of a new session';
}
error_log_is_clean($httpd);
done_testing;
