#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# The most eager cache that httpd has, in the same server and before it: what
# depends on a session is never shown to another, whichever door it came by.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/lib";
use DRS;
use Test::More;

my @MODULES = qw(cache cache_disk expires proxy proxy_http);
needs(@MODULES, qw(include rewrite headers alias));
my $redis = start_redis();
my $pages = 100;

# As much as can be kept is kept, for an hour.
my $eager = <<'CONF';
CacheEnable disk /
CacheHeader On
CacheIgnoreNoLastMod On
CacheIgnoreCacheControl On
CacheDefaultExpire 3600
CacheStaleOnError On
CONF

my $rules = <<'CONF';
DRSession On
DRSessionIdle 1h
XBitHack full
RewriteEngine On
RewriteMap s int:drsession
RewriteRule ^/go/(.+)$ /to/${s:user}/$1 [R=302,L]
AliasMatch ^/page/ %DIR%/docs/page.shtml
ScriptAlias /born %DIR%/cgi/show
AliasMatch ^/(?:same|only|said|if)/ %DIR%/docs/page.txt
<LocationMatch "^/(?:page|missing|cgi|whole)">
    DRSessionExport user
</LocationMatch>
<LocationMatch "^/missing">
    ErrorDocument 404 /error.shtml
</LocationMatch>
<Location /error.shtml>
    DRSessionExport user
</Location>
<Location /only>
    Require drsession user
    ErrorDocument 403 "no"
</Location>
<Location /said>
    Header set X-User "expr=%{DRSESSION:user}"
</Location>
<Location /if>
    <If "drsession('user') == 'ann'">
        Header set X-User ann
    </If>
</Location>
<Location /born>
    DRSessionChildAccess On
</Location>
<LocationMatch "^/(?:page|born)/loud">
    Header set Cache-Control "public, max-age=3600"
    Header always set Cache-Control "public, max-age=3600"
</LocationMatch>
<LocationMatch "^/page/long">
    ExpiresActive On
    ExpiresDefault "access plus 1 day"
</LocationMatch>
CONF

my $cgi = <<'CGI';
#!/bin/sh
printf 'Content-Type: text/plain\r\nCache-Control: public, max-age=3600\r\n'
test "$QUERY_STRING" = error && printf 'Status: 404 No\r\n'
test "$QUERY_STRING" = away &&
    printf 'Status: 302 Go\r\nLocation: /to/%s\r\n' "$DRSESSION_user"
printf 'ETag: "%s"\r\n\r\nuser=[%s]' "$DRSESSION_user" "$DRSESSION_user"
CGI

sub start {
    my ($more, %opt) = @_;
    my $httpd = start_httpd(redis => $redis, modules => [@MODULES],
        start => 0, cgi => { show => $cgi }, %opt, docs => {
            'plain.txt'   => 'for everyone',
            'page.txt'    => 'the same',
            'page.shtml'  => 'user=[<!--#echo var="DRSESSION_user" -->]',
            'error.shtml' => 'user=[<!--#echo var="DRSESSION_user" -->]',
            'late.shtml'  => 'x' x 200_000
                . '<!--#include virtual="/cgi/show" -->',
            'parts.shtml' => '<!--#include virtual="/cgi/show" -->'
                . '<!--#include virtual="/said/part" -->',
        });
    my $dir = $httpd->dir;
    mkdir "$dir/cache";
    chmod 0777, "$dir/cache";
    chmod 0755, glob "$dir/docs/*.shtml";
    # The older, the longer httpd keeps it.
    utime((time - 864000) x 2, glob "$dir/docs/*");
    $httpd->{conf} = "CacheRoot $dir/cache\n$more"
        . ($opt{plain} ? '' : $rules =~ s/%DIR%/$dir/gr);
    return $httpd->start;
}

my %jar = (ann => jar(), bob => jar(), nobody => jar());
my @users = qw(ann bob nobody);

# All that a response tells of whose it is.
sub told {
    my ($r) = @_;
    return join '|', $r->{body}, map { "$_->[0]: $_->[1]" }
        grep { $_->[0] =~ /^(?:Set-Cookie|Location|X-User|ETag)$/i }
        @{ $r->{headers} };
}

sub is_hit { my ($r) = @_; return (header($r, 'X-Cache') // '') =~ /^HIT/ }

# Every user asks for it, twice: whom else's response is it?
sub strangers {
    my ($httpd, $path, $wanted, @headers) = @_;
    my $wrong = 0;
    for my $user (@users, reverse @users) {
        my $r = $httpd->get($path, jar => $jar{$user}->copy,
                            headers => \@headers);
        my $told = told($r);
        my $name = $user eq 'nobody' ? '' : $user;
        for my $other (grep { $_ ne $user } qw(ann bob)) {
            $wrong++, diag("$path of $user: $told")
                if $told =~ /\b$other\b/ || is_hit($r);
        }
        my $right = $wanted->($r, $name);
        $wrong++, diag("$path of $user: $r->{status} $told") unless $right;
    }
    return $wrong;
}

sub shows { my ($r, $name) = @_; return $r->{body} =~ /user=\[(?:\(none\))?\Q$name\E\]/ }

my %kind = (
    '200' => ['/page/%d', sub { $_[0]{status} == 200 && shows(@_) }],
    '304' => ['/only/%d', sub {
        my ($r, $name) = @_;
        return $r->{status} == ($name eq '' ? 403 : 304);
    }, ['If-None-Match', '*']],
    '404' => ['/missing/%d', sub { $_[0]{status} == 404 && shows(@_) }],
    '302' => ['/go/%d', sub {
        my ($r, $name) = @_;
        return $r->{status} == 302
            && header($r, 'Location') =~ m{/to/\Q$name\E/};
    }],
);

my %other = (
    'a header that the configuration writes' => ['/said/1', sub {
        (header($_[0], 'X-User') // '') eq $_[1] }],
    'a section that holds for one user' => ['/if/1', sub {
        (header($_[0], 'X-User') // '') eq ($_[1] eq 'ann' ? 'ann' : '') }],
    'a page that mod_headers calls public' => ['/page/loud', \&shows],
    'a page that mod_expires keeps for a day' => ['/page/long', \&shows],
    'a CGI program that calls itself public' => ['/cgi/show', \&shows],
    'one that does so and fails' => ['/cgi/show?error', \&shows],
    'one that does so and sends elsewhere' => ['/cgi/show?away', \&shows],
    'parts of a page' => ['/parts.shtml', \&shows],
    'a part by itself' => ['/cgi/show', \&shows],
    'the other part by itself' => ['/said/part', sub {
        (header($_[0], 'X-User') // '') eq $_[1] }],
);

sub stays_with_its_user {
    my ($httpd, $n) = @_;
    ok wait_until(5, sub { is_hit($httpd->get('/plain.txt')) }),
        'what has no session is kept';
    for my $name (sort keys %kind) {
        my ($path, $wanted, @headers) = @{ $kind{$name} };
        my $wrong = 0;
        $wrong += strangers($httpd, sprintf($path, $_), $wanted, @headers)
            for 1 .. $n;
        is $wrong, 0, "$n pages answered $name";
    }
    for my $name ('parts of a page', sort keys %other) {
        my ($path, $wanted) = @{ $other{$name} };
        is strangers($httpd, $path, $wanted), 0, $name;
    }
    # One who comes by a birth gets a cookie that nobody else may get.
    for my $path ('/born', '/born/loud') {
        my %seen;
        for my $try (1 .. 4) {
            my $jar = jar();
            $httpd->get($path, jar => $jar);
            $seen{ $jar->id // '' }++;
        }
        delete $seen{''};
        is scalar(keys %seen), 4, "every visitor of $path has his own id";
    }
}

# The part of a long page may use the session when its headers are out.
sub is_not_stored_by_a_late_use {
    my ($httpd) = @_;
    is strangers($httpd, '/late.shtml', \&shows), 0,
        'a part of a page whose headers were out';
}

# A cache that was told to keep even what is private still asks who it is.
my $reckless = $eager . "CacheStorePrivate On\n";

for my $quick (qw(On Off)) {
    subtest "the_cache_of_the_same_server, CacheQuickHandler $quick" => sub {
        my $httpd = start("CacheQuickHandler $quick\n$eager");
        $httpd->drs({ jar => $jar{$_} }, qq{set user "$_"})
            for grep { !defined $jar{$_}->id } qw(ann bob);
        stays_with_its_user($httpd, $pages);
        is_not_stored_by_a_late_use($httpd);
        error_log_is_clean($httpd, qr/AH00128|AH01630/);
    };
}

subtest 'a_cache_before_the_server' => sub {
    my $behind = start('');
    my $front = start("$eager\nProxyPass / http://127.0.0.1:" . $behind->port
        . "/\n", plain => 1);
    stays_with_its_user($front, 20);
    error_log_is_clean($front, qr/AH01374/);
    error_log_is_clean($behind, qr/AH00128|AH01630/);
};

subtest 'a_cache_told_to_keep_what_is_private' => sub {
    my $httpd = start("CacheQuickHandler On\n$reckless");
    for my $path ('/page/1', '/cgi/show') {
        my $wrong = 0;
        for my $user (@users, reverse @users) {
            my $r = $httpd->get($path, jar => $jar{$user}->copy);
            $wrong++ unless shows($r, $user eq 'nobody' ? '' : $user);
        }
        is $wrong, 0, "$path is still told apart by the cookie";
    }
    error_log_is_clean($httpd);
};

done_testing;
