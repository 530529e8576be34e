#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# DRSessionExport: what CGI programs and server-side includes see of a
# session, what nobody can plant there, and what the response says of it.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/lib";
use DRS;
use Test::More;

needs(qw(include rewrite headers setenvif));
my $redis = start_redis();
my $printenv = <<'CGI';
#!/bin/sh
printf 'Content-Type: text/plain\r\n'
test -n "$QUERY_STRING" && printf 'Cache-Control: %s\r\n' "$QUERY_STRING"
printf '\r\n'
env | LC_ALL=C sort
CGI
my $fields = 'user n yes none list obj big ctrl nul uni quote absent';
my $httpd = start_httpd(redis => $redis,
    docs => {
        'page.txt' => 'static',
        'inc.shtml' => join("\n", map { '<!--#include virtual="/part.shtml" -->' }
            1 .. 20),
        'part.shtml' => '[<!--#echo encoding="none" var="DRSESSION_user" -->]',
        'named.shtml' =>
            '[<!--#echo encoding="none" var="SHOP_user" -->]',
    },
    cgi => { 'env' => $printenv, 'raw' => $printenv },
    conf => <<"CONF");
DRSession On
DRSessionIdle 1h
SetEnvIf Spoof "(.+)" DRSESSION_user=\$1 DRSESSION_STATUS=\$1 DRSESSION_own=\$1 drsession_User=\$1 SHOP_CART=\$1
RewriteEngine On
RewriteRule ^/rewritten\$ /cgi/env [PT]
<Location /cgi>
    DRSessionExport $fields cart=SHOP_CART
</Location>
<LocationMatch "^/(?:inc|part)">
    DRSessionExport user
</LocationMatch>
ErrorDocument 404 /cgi/env
<Location /cgi/raw>
    DRSessionCodec raw
    DRSessionExport user nul list
</Location>
<Files named.shtml>
    DRSessionEnv SHOP
    DRSessionExport user
</Files>
CONF
our $jar = jar();

# The variables of ours that a program sees.
sub env {
    my ($path, @headers) = @_;
    my $r = $httpd->get($path, jar => $jar, headers => \@headers);
    return { status => $r->{status}, response => $r,
        map { /^([A-Za-z_0-9]*(?:DRSESSION|SHOP)[^=]*)=(.*)/si ? ($1, $2) : () }
        split /\n(?=[A-Za-z_])/, $r->{body} =~ s/\n\z//r };
}
sub vars { my $e = env(@_); delete $e->{response}; delete $e->{status}; return $e }

subtest 'without_a_session' => sub {
    my $cost = $redis->count_commands(sub {
        is_deeply vars('/cgi/env'), { DRSESSION_STATUS => 'none' }, 'none';
    });
    is $cost, 0, 'Redis was not asked';
    is $jar->id, undef, 'no cookie';
};

subtest 'types' => sub {
    $httpd->drs({ jar => $jar }, "set user \"ann\"\n" . join "\n",
        'set n -12.50', 'set yes true', 'set none null', 'set list [1, "x"]',
        'set obj {"a": 1}', 'set big 12345678901234567890123',
        'set ctrl "a\u0007b"', 'set nul "a\u0000b"', 'set uni "\u00e4"',
        'set quote "a\"b=c"', 'set cart {"items":3}', 'set hidden 1');
    my $env = vars('/cgi/env');
    is_deeply $env, { DRSESSION_STATUS => 'live', DRSESSION_user => 'ann',
        DRSESSION_n => '-12.50', DRSESSION_yes => 'true',
        DRSESSION_none => '', DRSESSION_list => '[1, "x"]',
        DRSESSION_obj => '{"a": 1}',
        DRSESSION_big => '12345678901234567890123',
        DRSESSION_uni => "\xC3\xA4", DRSESSION_quote => 'a"b=c',
        SHOP_CART => '{"items":3}' }, 'as the contract says'
        or diag explain $env;
    my $cost = $redis->count_reads(sub { vars('/cgi/env') });
    is $cost, 1, 'one round trip for all of them';
};

subtest 'raw_values_are_shown_as_they_stand' => sub {
    my $key = 'drsession:' . $jar->id;
    my $cart = $redis->cmd('HGET', $key, 'nul');
    $redis->cmd('HSET', $key, 'nul', "a\0b", 'list', ' [1');
    is_deeply vars('/cgi/raw'), { DRSESSION_STATUS => 'live',
        DRSESSION_user => '"ann"', DRSESSION_list => ' [1' },
        'but for one with a NUL in it';
    $redis->cmd('HSET', $key, 'nul', $cart, 'list', '[1, "x"]');
};

subtest 'an_id_that_redis_does_not_know' => sub {
    local $jar = jar(drsession => 'q' x 44);
    is_deeply vars('/cgi/env'), { DRSESSION_STATUS => 'none' };
    is $redis->cmd('EXISTS', 'drsession:' . 'q' x 44), 0;
};

subtest 'nobody_can_plant_a_variable' => sub {
    my @evil = (['Spoof', 'evil'], ['DRSESSION_user', 'evil'],
        ['DRSESSION-user', 'evil'], ['DRSESSION_STATUS', 'live'],
        ['DRSESSION-STATUS', 'live']);
    my $env = vars('/cgi/env', @evil);
    delete $env->{$_} for grep { /^HTTP_/ } keys %$env;
    is $env->{DRSESSION_user}, 'ann', 'the field wins';
    is $env->{SHOP_CART}, '{"items":3}', 'a renamed one too';
    is $env->{DRSESSION_STATUS}, 'live', 'the status is ours';
    ok !grep({ /evil/ } values %$env), 'nothing evil is left';
    local $jar = jar();
    $env = vars('/cgi/env', @evil);
    delete $env->{$_} for grep { /^HTTP_/ } keys %$env;
    is_deeply $env, { DRSESSION_STATUS => 'none' }, 'nor without a session';
};

subtest 'redirects_and_error_documents_see_the_same_session' => sub {
    my $cost = $redis->count_reads(sub {
        is vars('/rewritten')->{DRSESSION_user}, 'ann', 'mod_rewrite';
    });
    is $cost, 1, 'in one round trip';
    my $env = env('/no/such/page');
    is $env->{status}, 404, 'an error document';
    is $env->{DRSESSION_user}, 'ann', 'sees the session';
    is $env->{DRSESSION_STATUS}, 'live', 'and its status';
};

subtest 'twenty_includes_are_one_round_trip' => sub {
    my $r;
    my $cost = $redis->count_reads(sub {
        $r = $httpd->get('/inc.shtml', jar => $jar);
    });
    my $n = () = $r->{body} =~ /\[ann\]/g;
    is $n, 20, 'each sees the field';
    is $cost, 1, 'and Redis was asked once';
    like header($r, 'Vary') // '', qr/Cookie/, 'the page says so';
    is $httpd->get('/named.shtml', jar => $jar)->{body}, '[ann]',
        'under another prefix';
};

subtest 'caches' => sub {
    my $r = $httpd->get('/cgi/env', jar => $jar);
    like header($r, 'Vary'), qr/\bCookie\b/i, 'Vary: Cookie';
    my $control = header($r, 'Cache-Control');
    like $control, qr/\bprivate\b/, 'private';
    like $control, qr/\bno-cache\b/, 'no-cache';
    unlike $control, qr/no-store/, 'not no-store without a Set-Cookie';
    $r = $httpd->get('/cgi/env?no-store', jar => $jar);
    like header($r, 'Cache-Control'), qr/no-store/, 'a stricter word stays';
    $r = $httpd->get('/cgi/env?public,max-age=60', jar => $jar);
    unlike header($r, 'Cache-Control'), qr/public/, 'a looser one does not';
    $r = $httpd->get('/cgi/env');
    like header($r, 'Vary'), qr/\bCookie\b/i, 'also without a session';
    $r = $httpd->request('POST', '/drs', body => "set a 1\n");
    like header($r, 'Cache-Control'), qr/no-store/, 'no-store on a birth';
    is scalar(my @c = headers($r, 'Set-Cookie')), 1, 'with one Set-Cookie';
    $r = $httpd->request('POST', '/drs', jar => $jar, body => "has none\n");
    like header($r, 'Vary'), qr/\bCookie\b/i, 'an existence test counts';
    my $cost = $redis->count_commands(sub {
        $r = $httpd->get('/page.txt', jar => $jar);
    });
    is header($r, $_), undef, "no $_ where the session is not used"
        for qw(Vary Cache-Control Set-Cookie);
    is $cost, 0, 'and no traffic';
};

subtest 'redis_away' => sub {
    $redis->stop;
    my $r = $httpd->get('/cgi/env', jar => $jar);
    is $r->{status}, 503, 'fail is 503';
    ok defined header($r, 'Retry-After'), 'with Retry-After';
    is $httpd->get('/page.txt', jar => $jar)->{status}, 200, 'static is fine';
    my $pass = start_httpd(redis => $redis, cgi => { env => $printenv },
        conf => "DRSession On\nDRSessionOnError pass\nDRSessionExport user\n");
    $r = $pass->get('/cgi/env', jar => $jar);
    is $r->{status}, 200, 'pass goes on';
    like $r->{body}, qr/^DRSESSION_STATUS=unavailable$/m, 'and says so';
    unlike $r->{body}, qr/^DRSESSION_user/m, 'without the fields';
    error_log_is_clean($pass, qr/drsession:\w+\]/);
    $redis->start;
};

error_log_is_clean($httpd, qr/drsession:\w+\].*(?:DRSessionExport|are down: )/,
    qr/AH00128|File does not exist/);
done_testing;
