#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# httpd unloads its modules with the configuration and loads them again, at
# once at its start and with every restart: what is kept in between must not
# point into them.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/lib";
use DRS;
use Test::More;

needs(qw(http2 proxy proxy_http));
my $redis = start_redis();
my $httpd = start_httpd(redis => $redis, conf => <<'CONF');
DRSession On
LogFormat "%U %^DS" named
CustomLog named.log named
CONF
my $jar = jar();
my $dir = $httpd->dir;

# Where httpd has our module now.
sub base {
    my ($at) = DRS::Httpd::slurp('/proc/' . $httpd->pid . '/maps')
        =~ /^([0-9a-f]+)-.*mod_drsession/m;
    return $at;
}

# What the log calls the session.
sub name {
    my ($path) = @_;
    $httpd->drs({ jar => $jar, path => "/drs/$path" }, 'get a');
    my $name;
    wait_until(5, sub { ($name)
        = DRS::Httpd::slurp("$dir/named.log") =~ m{^/drs/$path (\S+)$}m });
    return $name;
}

$httpd->drs({ jar => $jar }, 'set a 1');
my $name = name('first');
like $name, qr/\A[0-9a-f]{16}\z/, 'a session has a name in the log';

# Others take the addresses that it leaves.
my $text = DRS::Httpd::slurp("$dir/httpd.conf");
my @others = map { "LoadModule ${_}_module " . DRS::Httpd::libexec()
    . "/mod_$_.so\n" } qw(proxy proxy_http http2);
my %bases = (base() => 1);
for my $n (1 .. 6) {
    my $first = join '', @others[0 .. $n % 3];
    $httpd->write_conf('httpd.conf', $n % 2 ? $first . $text : $text);
    ok $httpd->graceful, "httpd is there after restart $n"
        or BAIL_OUT('no httpd: ' . $httpd->error_log);
    $bases{base()} = 1;
    is name("then$n"), $name, 'the name is the same';
}
cmp_ok scalar(keys %bases), '>', 1, 'the module was loaded elsewhere';
error_log_is_clean($httpd);
done_testing;
