#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# .htaccess has DRSession alone, whatever AllowOverrideList names: what it
# says lives as long as the request that read it, a session may live longer.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/lib";
use DRS;
use Test::More;

needs(qw(autoindex));
my $redis = start_redis();
my $httpd = start_httpd(redis => $redis, start => 0, modules => ['autoindex'], docs => {
    map { ("ix/d$_/p.txt" => 'page', "ix/d$_/.htaccess" => "DRSessionCookie c$_\n"
        . "Require drsession user ann\n") } 1 .. 6 });
my $dir = $httpd->dir;
$httpd->{conf} = <<"CONF";
DRSession On
<Directory $dir/docs/ix>
    Options +Indexes
    AllowOverride AuthConfig
    AllowOverrideList DRSessionCookie
</Directory>
CONF
$httpd->start;
my %id;
for my $user (qw(ann bob)) {
    my $jar = jar();
    $httpd->drs({ jar => $jar }, qq{set user "$user"});
    $id{$user} = $jar->id;
}
# Each folder asks for the session of a cookie of its own.
for my $ann (1 .. 6) {
    my @cookie = (headers => [['Cookie', join '; ', map {
        "c$_=" . $id{ $_ == $ann ? 'ann' : 'bob' } } 1 .. 6]]);
    my @seen = sort $httpd->get('/ix/', @cookie)->{body} =~ /href="(d\d)/g;
    is join(' ', grep { $_ ne "d$ann" } @seen), '',
        "none but the folder of ann, d$ann, is listed";
}
is $httpd->get("/ix/d1/p.txt")->{status}, 500,
    '.htaccess says nothing but DRSession';
done_testing;
