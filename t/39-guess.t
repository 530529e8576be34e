#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# A condition without an answer is no yes: for mod_headers one that failed is
# met, and it decides when our own fixups are done.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/lib";
use DRS;
use Test::More;

needs();

my $show = <<'SH';
#!/bin/sh
printf 'Content-Type: text/plain\r\n\r\nrole: %s\n' "$HTTP_X_ROLE"
SH
my $redis = start_redis();
my $httpd = start_httpd(redis => $redis, conf => <<'CONF',
DRSession On
<Location /cgi>
    RequestHeader set X-Role admin "expr=%{DRSESSION:role} == 'admin'"
    ErrorDocument 503 /page.txt
</Location>
<Location /cgi/text>
    RequestHeader set X-Role "expr=%{DRSESSION:role}"
</Location>
<Location /cgi/pass>
    DRSessionOnError pass
</Location>
CONF
    docs => { 'page.txt' => "later\n" },
    cgi => { map { $_ => $show } qw(if text pass) });
my $jar = jar();

sub role {
    my ($name) = @_;
    my $r = $httpd->get("/cgi/$name", jar => $jar);
    my ($role) = $r->{body} =~ /^role: (.*)/m;
    return "$r->{status}" . (defined $role ? " $role" : '');
}

subtest 'a_condition_with_an_answer_decides' => sub {
    $httpd->drs({ jar => $jar }, 'set role "admin"');
    is role('if'), '200 admin', 'met';
    is role('text'), '200 admin', 'a value';
    $httpd->drs({ jar => $jar }, 'set role "guest"');
    is role('if'), '200 ', 'not met';
    is role('text'), '200 guest', 'another value';
    $httpd->drs({ jar => $jar }, 'del role', 'set other 1');
    is role('if'), '200 ', 'no such field';
};

subtest 'a_value_that_cannot_be_compared_makes_nobody_an_admin' => sub {
    $httpd->drs({ jar => $jar }, 'set role ' . pct('"x\n"'));
    is role('if'), '500', 'the request ends';
    is role('text'), '500', 'and so does one that shows it';
};

subtest 'nor_does_a_redis_that_is_away' => sub {
    $redis->stop;
    is role('if'), '503', 'the request ends';
    is $httpd->get('/cgi/if', jar => $jar)->{body}, "later\n",
        'with its error page';
    is header($httpd->get('/cgi/if', jar => $jar), 'Retry-After'), 1,
        'which says when to come again';
    is role('text'), '503', 'one that shows it too';
    is role('pass'), '200 admin', 'where it may pass, that is the risk';
    $redis->start;
};

error_log_is_clean($httpd,
    qr/AH01501|AH02557|Evaluation of expression|sessions are down/);
done_testing;
