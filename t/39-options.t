#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# OPTIONS changes nothing: a page of another origin hears what there is to
# hear, 405, and no header of CORS.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/lib";
use DRS;
use Test::More;

needs();
my $httpd = start_httpd(redis => start_redis(), conf => <<'CONF');
DRSession On
<Location /session>
    SetHandler drsession
    DRSessionAllow read *
    DRSessionAllow write *
</Location>
CONF

subtest 'a_preflight_is_a_method_that_is_not_allowed' => sub {
    for my $path ('/session', '/session/f') {
        my $r = $httpd->request('OPTIONS', $path, headers => {
            'Origin' => 'http://evil.example', 'Sec-Fetch-Site' => 'cross-site',
            'Access-Control-Request-Method' => 'PUT' });
        is $r->{status}, 405, "$path: 405";
        like header($r, 'Allow'), qr/\bDELETE\b/, 'with what is';
        ok !(grep { $_->[0] =~ /^Access-Control-/i } @{ $r->{headers} }),
            'and no header of CORS';
    }
};

subtest 'what_changes_something_stays_forbidden' => sub {
    for my $method (qw(PUT DELETE POST FOO)) {
        my $r = $httpd->request($method, '/session/f', body => '1',
            headers => { Origin => 'http://evil.example' });
        is $r->{status}, 403, "$method from elsewhere";
    }
};

error_log_is_clean($httpd);
done_testing;
