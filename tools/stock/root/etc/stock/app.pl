use IO::Socket::INET;
$SIG{TERM} = sub { exit 0 };
$SIG{CHLD} = 'IGNORE';
my $server = IO::Socket::INET->new(LocalPort => 5678, Listen => 8, ReuseAddr => 1) or die $!;
while (my $link = $server->accept) {
	next if fork;
	my $line = <$link>;
	print $link "hello from stock, ", $line * 2, "\n";
	exit 0;
}
