#!/usr/bin/perl
# SPDX-License-Identifier: MIT
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/lib";
use DRS;
use Test::More;

needs(qw(headers));
my $redis = start_redis();
my $cgi = <<'CGI';
#!/usr/bin/perl
my $q = $ENV{QUERY_STRING};
$q =~ s/%([0-9a-fA-F]{2})/chr hex $1/ge;
print "Content-Type: text/plain\r\n";
print "$_\r\n" for split /\n/, $q;
print "\r\nbody";
CGI
my $httpd = start_httpd(redis => $redis, cgi => { h => $cgi }, conf => <<"CONF");
DRSession On
<Location /cgi>
DRSessionHeader On
</Location>
CONF
my $jar = jar();
sub try {
    my (@lines) = @_;
    my $r = $httpd->get('/cgi/h?' . pct(join "\n", map { "DRSession: $_" } @lines), jar => $jar);
    diag "@lines => $r->{status} ", join '|', map { "$_->[0]: $_->[1]" } @{$r->{headers}};
    diag scalar $httpd->drs({jar=>$jar}, 'all');
}
try('set cart {"items":3, "a":[1,"x,y\\"z"]}, incr visits 1', 'add "f g" null');
try('regenerate, incr visits 5');
try('bogus');
try('destroy, set a 1');
try('incr a 1, set b "x", incr b 2');
try('destroy');
$redis->stop;
try('set a 1');
diag $httpd->error_log;
ok 1;
done_testing;
