#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# What a section shows to its programs stays there: httpd hands the variables
# of a request on to the redirect or error document that comes of it, behind
# REDIRECT_.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/lib";
use DRS;
use Test::More;

needs();
my $show = <<'CGI';
#!/usr/bin/perl
print "Location: $1\r\n" if $ENV{QUERY_STRING} =~ /loc=([^&]+)/;
print "Content-Type: text/plain\r\n\r\n";
print map { "$_=$ENV{$_}\n" } grep { /DRS|SHOP|X_USER/ } sort keys %ENV;
CGI
my $httpd = start_httpd(redis => start_redis(), conf => <<'CONF',
DRSession On
<LocationMatch "^/(cgi/login|lost)">
    DRSessionExport user secret=SHOP_secret
    DRSessionForward user X-User
    DRSessionChildAccess On
    ErrorDocument 404 /cgi/other
</LocationMatch>
<Location /cgi/other>
    DRSessionExport other
</Location>
<Location /cgi/env>
    DRSessionEnv REDIRECT_SHOP
    DRSessionExport other
</Location>
<Location /cgi/none>
    DRSession Off
</Location>
CONF
    cgi => { map { $_ => $show } qw(login other env plain none) });
my $jar = jar();
$httpd->drs({ jar => $jar }, 'set user "U"', 'set secret "S"', 'set other "O"');

sub shows {
    my ($path, $status, @want) = @_;
    my $r = $httpd->get($path, jar => $jar);
    is $r->{status}, $status, $path;
    is_deeply [$r->{body} =~ /(.*)\n/g], \@want, 'shows what is its own';
}

subtest 'a_local_redirect_begins_without_them' => sub {
    my @own = qw(DRSESSION_STATUS=live DRSESSION_other=O);
    shows('/cgi/login?loc=/cgi/other', 200, @own);
    shows('/cgi/login?loc=/cgi/plain', 200);
    shows('/cgi/login?loc=/cgi/none', 200);
    shows('/cgi/login?loc=/cgi/plain?loc=/cgi/other', 200, @own);
    shows('/cgi/login?loc=/cgi/env', 200,
        qw(REDIRECT_SHOP_STATUS=live REDIRECT_SHOP_other=O));
};

subtest 'an_error_document_begins_without_them' => sub {
    shows('/lost', 404, qw(DRSESSION_STATUS=live DRSESSION_other=O));
};

subtest 'the_section_itself_has_them' => sub {
    my $r = $httpd->get('/cgi/plain?loc=/cgi/login', jar => $jar);
    like $r->{body}, qr/^\Q$_\E$/m, $_
        for qw(DRSESSION_user=U SHOP_secret=S HTTP_X_USER=U);
    unlike $r->{body}, qr/^REDIRECT_/m, 'and nothing old';
};

error_log_is_clean($httpd);
done_testing;
